"""The receipt of compute: what it says, and what it never says."""

from __future__ import annotations

import hashlib
import os
import re

import pytest

from repro_assets.pins.canonical import canonical_json
from repro_assets.pins.redaction import REDACTED, redact_settings
from repro_assets.pins.standalone import Member
from repro_assets.resources.spark import receipt
from repro_assets.resources.spark.receipt import compute_receipt, described, jar_digests


def test_a_receipt_has_these_sections() -> None:
    assert list(compute_receipt(None)) == ["host", "cpu", "blas", "threads", "spark"]


def test_without_a_session_there_is_no_spark_in_it() -> None:
    assert compute_receipt(None)["spark"] is None


def test_a_receipt_can_be_written_into_a_manifest() -> None:
    assert canonical_json(compute_receipt(None))


def test_the_processor_is_described_as_far_as_numbers_depend_on_it() -> None:
    found = receipt.cpu()

    assert found["model"]
    assert re.fullmatch(r"[0-9a-f]{64}", found["flags_sha256"])
    assert found["cores"] == os.cpu_count()
    assert found["numpy_dispatch"] == sorted(found["numpy_dispatch"])
    assert found["numpy_dispatch"]


def test_where_no_flags_are_listed_there_is_no_digest_of_nothing(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(receipt, "described", lambda cpuinfo, sysctl: described(tmp_path / "no", tmp_path / "none"))

    found = receipt.cpu.__wrapped__()

    assert found["flags_sha256"] is None
    assert found["model"]


@pytest.mark.parametrize("name", ["flags", "Features"], ids=["x86-64", "AArch64"])
def test_linux_lists_flags_in_a_file(tmp_path, name) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name\t: Some CPU\n{name}\t: sse2 avx\n")

    assert described(tmp_path / "cpuinfo", tmp_path / "none") == ("Some CPU", ["avx", "sse2"])


def test_macos_lists_features_by_a_program(tmp_path) -> None:
    program = tmp_path / "sysctl"
    lines = "hw.optional.neon: 1\\nhw.optional.arm.FEAT_SME: 0\\nhw.optional.arm.FEAT_DotProd: 1\\n"
    program.write_text(f"#!/bin/sh\nif [ $1 = -n ]; then echo 'Apple M1'; else printf '{lines}'; fi\n")
    program.chmod(0o755)

    assert described(tmp_path / "no", program) == ("Apple M1", ["hw.optional.arm.FEAT_DotProd", "hw.optional.neon"])


def test_the_number_library_is_named_with_kernel_and_threads() -> None:
    __import__("numpy")

    libraries = [library for library in receipt.blas() if library["user_api"] == "blas"]

    assert libraries
    assert all(library["num_threads"] == 1 for library in libraries)
    assert all(library["architecture"] for library in libraries)


def test_no_path_of_this_machine_is_in_it() -> None:
    assert "filepath" not in str(receipt.blas())


def test_thread_variables_are_written_as_they_stand(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS")

    threads = compute_receipt(None)["threads"]

    assert (threads["OMP_NUM_THREADS"], threads["MKL_NUM_THREADS"]) == ("7", None)


@pytest.mark.parametrize(
    "name",
    [
        "spark.hadoop.fs.s3a.secret.key",
        "spark.hadoop.fs.s3a.access.key",
        "spark.hadoop.fs.s3a.session.token",
        "spark.hadoop.fs.s3a.encryption.key",
        "spark.hadoop.fs.s3a.server-side-encryption.key",
        "spark.hadoop.fs.azure.account.key.store.dfs.core.windows.net",
        "spark.hadoop.fs.azure.account.oauth2.client.secret",
        "spark.hadoop.fs.azure.sas.container.store.blob.core.windows.net",
        "spark.hadoop.fs.gs.auth.service.account.private.key",
        "spark.hadoop.fs.gs.auth.service.account.private.key.id",
        "spark.hadoop.google.cloud.auth.service.account.json.keyfile.credentials",
        "spark.hadoop.javax.jdo.option.ConnectionPassword",
        "spark.authenticate.secret",
        "spark.ssl.keyPassword",
        "spark.ssl.keyStorePassphrase",
        "spark.executorEnv.AWS_SECRET_ACCESS_KEY",
        "spark.executorEnv.SERVICE_API_KEY",
        "SPARK.HADOOP.SECRET",
    ],
)
def test_the_value_of_a_secret_is_left_out(name) -> None:
    assert redact_settings({name: "hunter2"}) == {name: REDACTED}


@pytest.mark.parametrize(
    "name",
    ["spark.sql.shuffle.partitions", "spark.master", "spark.hadoop.parquet.page.verify-checksum.enabled", "spark.jars"],
)
def test_what_is_no_secret_stays(name) -> None:
    assert redact_settings({name: "2"}) == {name: "2"}


def test_settings_come_sorted_by_name() -> None:
    assert list(redact_settings({"b": "1", "a": "2"})) == ["a", "b"]


def test_jars_are_known_by_the_digest_of_their_bytes_wherever_they_lie(tmp_path) -> None:
    for name in ("b.jar", "a.jar"):
        (tmp_path / name).write_bytes(name.encode())
    given = f"{tmp_path}/b.jar,file://{tmp_path}/a.jar"

    assert jar_digests(given) == {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a.jar", "b.jar")}
    assert jar_digests("") == {}


def test_a_jar_below_a_folder_with_a_comma_is_read_where_it_lies(tmp_path) -> None:
    jar = tmp_path / "a, b%41[1]" / "a.jar"
    jar.parent.mkdir()
    jar.write_bytes(b"a.jar")

    assert jar_digests(jar.as_uri()) == {"a.jar": hashlib.sha256(b"a.jar").hexdigest()}


MAPS = """\
7f01-7f02 r--p 00000000 08:01 11 /usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3
7f02-7f03 r-xp 00001000 08:01 11 /usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3
7f04-7f05 r--p 00000000 08:01 12 /tmp/libnetlibblasjni123.so
7f06-7f07 rw-p 00000000 00:00 0
7f08-7f09 r--p 00000000 08:01 13 /opt/some where/libmkl_rt.so.2
"""


def test_native_number_libraries_of_a_process_are_those_it_has_mapped_each_once() -> None:
    assert receipt.native_blas(MAPS) == ["libblas.so.3", "libmkl_rt.so.2"]
    assert receipt.native_blas("") == []


def test_an_executor_in_a_process_of_its_own_has_its_options_and_its_blas(monkeypatch) -> None:
    monkeypatch.setattr(receipt, "_mapped_blas", {7: ["libblas.so.3"]}.get)

    assert receipt._member(Member("0", 1, 512, ("-XX:+UseSerialGC",), pid=7)) == {
        "executor": "0",
        "cores": 1,
        "megabytes": 512,
        "java_options": ["-XX:+UseSerialGC"],
        "native_blas": ["libblas.so.3"],
    }


def test_an_executor_inside_the_driver_is_described_as_before() -> None:
    assert receipt._member(Member("driver", 2, None)) == {"executor": "driver", "cores": 2, "megabytes": None}


def test_the_blas_of_a_process_that_has_ended_is_not_known(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(receipt, "Path", lambda path: tmp_path / path.lstrip("/"))

    assert receipt._mapped_blas(7) is None
