from voicegen.bench.served import bench_served
from voicegen.job.composing import compose


def test_the_server_is_timed_both_ways_with_the_same_questions(capsys):
    results = bench_served(compose(["preset=fake", "serve=default"]))
    assert [result.sentences for result in results] == [1] * 6
    assert all(result.streamed > 0 and result.whole > 0 for result in results)
    assert "times sooner" in capsys.readouterr().out
