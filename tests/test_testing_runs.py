"""The test runs of a project of its own: by `manage.py test`, and by pytest with our plugin."""

import os
import subprocess
import sys

import pytest

from .documents import ROOT

pytest_plugins = ["pytester"]


def run_sample(**environment: str) -> "subprocess.CompletedProcess[str]":
    """The sample's tests, in a process of their own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "test", "tests.sample.cases"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.sample.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_tests_of_a_project_pass_with_the_layer_in_memory() -> None:
    done = run_sample()
    assert done.returncode == 0, done.stderr
    assert "Ran 7 tests" in done.stderr


CONFIGURED = "--ds=tests.sample.settings"


def test_fixtures_are_there_by_the_entry_point(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from django.contrib.auth.models import User
        from realtime import count_sockets, emit, is_online
        from realtime.testing import assert_emitted, outbox

        @pytest.mark.parametrize("number", [1, 2])
        def test_outbox_is_empty(emits, operations, number):
            assert list(emits) == list(operations) == []
            emit("row", number)
            assert not count_sockets()
            assert emits[0].args == (number,)
            assert operations[0].name == "count_sockets"

        def test_outbox_is_empty_without_a_fixture():
            assert len(outbox) == 0
            emit("row")
            assert_emitted("row")

        @pytest.mark.parametrize("number", [1, 2])
        def test_client_is_disconnected_in_the_end(db, socketio_client, number):
            assert count_sockets() == 0
            ada = User.objects.create_user("ada")
            client, other = socketio_client(), socketio_client()
            client.force_login(ada)
            client.connect()
            other.connect()
            assert client.call("rename", "grace") == 1
            assert other.received("renamed") == ["grace"]
            assert is_online(ada)
        """
    )
    pytester.runpytest_subprocess(CONFIGURED).assert_outcomes(passed=5)


def test_failure_shows_the_test_and_not_the_kit(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from realtime import emit
        from realtime.testing import assert_emitted

        def test_fails():
            emit("message", 1)
            assert_emitted("paid")
        """
    )
    result = pytester.runpytest_subprocess(CONFIGURED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*'paid' was not emitted.", "E*emit('message', 1*"])


def test_plugin_does_nothing_in_projects_without_django(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_no_django():
            assert "realtime.testing.plugin" in sys.modules
            assert not [name for name in sys.modules if name.split(".")[0] == "channels"]
            assert "realtime.node" not in sys.modules
        """
    )
    done = pytester.runpytest_subprocess("-p", "no:django")
    done.assert_outcomes(passed=1)


def test_fixture_without_a_test_environment_says_what_is_missing(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_emits(emits): pass")
    result = pytester.runpytest_subprocess("-p", "no:django")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*need Django's test environment: install pytest-django*"])
