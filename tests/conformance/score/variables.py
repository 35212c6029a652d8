"""Section 5 of the contract: what processes find in their environment."""

from __future__ import annotations

from tests.conformance.score.stage import Stage, holds, same


def _variables(stage: Stage, **environ: str) -> dict[str, str]:
    """The runtime's variables."""
    stage.start("env | sed 's/^/variable /'; echo told; sleep 600", environ=environ)
    stage.soon()
    return _told(stage)


def _told(stage: Stage) -> dict[str, str]:
    stage.emulator.wait_for("^told$")
    found = stage.emulator.wait_for(r"^variable (\w+)=(.*)$")
    return {one[1]: one[2] for one in found}


def env_01_a_runtime_is_told_of_its_function(stage: Stage) -> None:
    found = _variables(
        stage,
        AWS_LAMBDA_FUNCTION_NAME="greeter",
        AWS_LAMBDA_FUNCTION_VERSION="7",
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE="256",
        _HANDLER="app.handler",
    )
    same(found.get("AWS_LAMBDA_FUNCTION_NAME"), "greeter")
    same(found.get("AWS_LAMBDA_FUNCTION_VERSION"), "7")
    same(found.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "256")
    same(found.get("_HANDLER"), "app.handler")


def env_01_a_runtime_is_told_where_its_api_is(stage: Stage) -> None:
    found = _variables(stage)
    same(found.get("AWS_LAMBDA_RUNTIME_API"), "{}:{}".format(*stage.emulator.api))


def env_01_a_runtime_is_told_where_it_logs(stage: Stage) -> None:
    found = _variables(stage, AWS_LAMBDA_FUNCTION_NAME="greeter")
    same(found.get("AWS_LAMBDA_LOG_GROUP_NAME"), "/aws/lambda/greeter")
    stream = found.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
    holds("[$LATEST]" in stream, stream)


def env_01_a_runtime_has_a_region_and_credentials(stage: Stage) -> None:
    found = _variables(stage)
    names = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    same([name for name in names if not found.get(name)], [])


def env_01_a_runtime_is_told_how_it_was_initialised(stage: Stage) -> None:
    same(_variables(stage).get("AWS_LAMBDA_INITIALIZATION_TYPE"), "on-demand")


def env_01_a_runtime_has_its_time_zone_and_language(stage: Stage) -> None:
    found = _variables(stage)
    same((found.get("TZ"), found.get("LANG")), (":UTC", "en_US.UTF-8"))


def env_04_nothing_internal_leaks(stage: Stage) -> None:
    names = ("_LAMBDA_SB_ID", "_LAMBDA_LOG_FD", "_LAMBDA_CONTROL_SOCKET", "_X_AMZN_TRACE_ID")
    found = _variables(stage)
    same([name for name in names if name in found], [])


def env_06_extensions_are_told_of_the_function(stage: Stage) -> None:
    found = _of_extension(stage)
    same(found.get("AWS_LAMBDA_FUNCTION_NAME"), "greeter")
    same(found.get("AWS_LAMBDA_RUNTIME_API"), "{}:{}".format(*stage.emulator.api))


def env_06_extensions_do_not_get_the_runtimes_variables(stage: Stage) -> None:
    found = _of_extension(stage)
    names = (
        "_HANDLER",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_AWS_XRAY_DAEMON_ADDRESS",
        "_AWS_XRAY_DAEMON_PORT",
    )
    same([name for name in names if name in found], [])


def _of_extension(stage: Stage) -> dict[str, str]:
    names = {"AWS_LAMBDA_FUNCTION_NAME": "greeter", "_HANDLER": "app.handler"}
    stage.start(extensions=["outer"], environ=names)
    stage.soon()
    stage.order("env | sed 's/^/variable /'; echo told", "outer")
    return _told(stage)
