"""What a session's failed start is told as: Spark's own line, and whose fault it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import ClusterMismatch, ClusterUnavailable
from repro_assets.resources.spark.session_start import start_failure
from repro_assets.resources.spark.spark_cluster import load_cluster

LOCAL, WORKERS = (load_cluster(name, settings_module.load({})) for name in ("local-v1", "standalone-2x1-v1"))
CORES = "The number of cores per executor (=1) has to be >= the number of cpus per task = 9."


class Raised(Exception):
    """As py4j raises what the JVM raised: a first line that says nothing, and the exception itself."""

    def __init__(self, kind: str, said: str | None) -> None:
        super().__init__("An error occurred while calling None.JavaSparkContext.\n: ...\n\tat ...")
        name = SimpleNamespace(getName=lambda: kind)
        self.java_exception = SimpleNamespace(getMessage=lambda: said, getClass=lambda: name)


class Captured(Exception):
    """As pyspark raises it once there is a session: its own class, the JVM's exception in `_origin`."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(f"{said}\n\nJVM stacktrace:\n...")
        self._origin = Raised(kind, said).java_exception


def test_what_spark_refuses_once_there_is_a_session_is_the_file_s_too() -> None:
    told = start_failure(LOCAL, Captured("org.apache.spark.SparkIllegalArgumentException", "'abc' is invalid"))

    assert isinstance(told, ClusterMismatch)
    assert "Spark refuses cluster local-v1 [envs/clusters/local-v1.json]: stored 'abc' is invalid." in str(told)


@pytest.mark.parametrize("cluster", [LOCAL, WORKERS], ids=["local", "standalone"])
@pytest.mark.parametrize("kind", ["org.apache.spark.SparkException", "java.lang.NumberFormatException"])
def test_what_spark_refuses_of_a_file_is_quoted_and_is_bad_input(cluster, kind) -> None:
    told = start_failure(cluster, Raised(kind, f"{CORES}\n\tat Somewhere"))

    assert isinstance(told, ClusterMismatch)
    assert told.exit_code == 2
    assert (
        f"Spark refuses cluster {cluster.name} [envs/clusters/{cluster.name}.json]: stored {CORES[:-1]}. Make"
        in str(told)
    )
    assert "secret" not in str(told)


def test_an_exception_without_a_message_is_told_by_its_class() -> None:
    assert "java.lang.NullPointerException" in str(start_failure(LOCAL, Raised("java.lang.NullPointerException", None)))


@pytest.mark.parametrize("cluster", [LOCAL, WORKERS], ids=["local", "standalone"])
def test_an_address_that_can_t_be_bound_is_not_the_file_s_fault(cluster) -> None:
    told = start_failure(cluster, Raised("java.net.BindException", "Cannot assign requested address"))

    assert isinstance(told, ClusterUnavailable)
    assert told.exit_code == 4
    assert "stored Cannot assign requested address" in str(told)
    assert "secret" not in str(told)


def test_a_jvm_that_does_not_start_points_to_what_java_said() -> None:
    told = start_failure(LOCAL, RuntimeError("[JAVA_GATEWAY_EXITED] Java gateway process exited before ..."))

    assert told.exit_code == 4
    assert "JAVA_GATEWAY_EXITED" in str(told)
    assert "What Java said stands above" in str(told)


@pytest.mark.parametrize(
    "said",
    [
        "All masters are unresponsive! Giving up.",
        "Spark context stopped while waiting for backend",
        # What a driver with another secret got to hear in the end.
        "Cannot call methods on a stopped SparkContext.",
    ],
)
def test_a_master_that_does_not_answer_may_have_another_secret(said) -> None:
    told = start_failure(WORKERS, Raised("org.apache.spark.SparkException", said))

    assert told.exit_code == 4
    assert f"stored {said.rstrip('.')}. Its secret may be another one: run `repro cluster down {WORKERS.name}`" in str(
        told
    )


def test_so_may_one_for_which_this_process_waited_too_long() -> None:
    told = start_failure(WORKERS, ConnectionError("the JVM is gone"), late=True)

    assert told.exit_code == 4
    assert "no session within 240 s. Its secret may be another one" in str(told)
