"""When the manifest of a run that is under way is written."""

from voicegen.job.refresh import ManifestRefresher


def test_a_new_run_has_a_manifest_before_its_work_begins():
    written = []
    with ManifestRefresher(lambda: written.append("now"), at_once=True):
        assert written == ["now"]
    assert written == ["now", "now"]


def test_a_run_that_goes_on_does_not_wait_for_a_manifest_of_its_many_rows():
    written = []
    with ManifestRefresher(lambda: written.append("now"), at_once=False):
        assert not written
    assert written == ["now"]
