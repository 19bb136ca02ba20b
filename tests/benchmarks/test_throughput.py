"""The throughput benchmark on its smallest case."""

import json

from benchmarks import throughput


def test_one_example_is_measured(capsys):
    throughput.main(["--only", "larq_mnist", "--json"])
    (figures,) = json.loads(capsys.readouterr().out)
    assert figures["equal_to_golden"] is True
    assert figures["cycles_per_frame"] == figures["predicted_cycles_per_frame"]
    rates = figures["frames_per_second"]
    assert rates["core"] == round(figures["clock_mhz"] * 1e6 / figures["cycles_per_frame"], 1)
    assert 0 < rates["link"] < rates["core"]
