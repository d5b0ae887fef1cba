"""One model, many callers: who shares it sees a model like any other.

    speech = SharedSpeechModel(lambda: build.speech_model(config))
    caller = Caller()
    takes = best_takes(speech.of(caller), ...)

A model lives on a thread of its own (`thread`), and there it is given what all callers have for it, in turn, so that
what meets is one batch (`lanes`). Nobody waits until another's work is done. `chat` shares a model that converses and
`models` the others.
"""
