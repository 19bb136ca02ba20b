"""The C++ of a design in many functions, against the same in few."""

from __future__ import annotations

import numpy as np
import pytest

from sim import cxxrtl
from sim.core import CoreSimulator
from sim.split import split_functions
from tests.graphs import random_model
from tests.sim.test_core import check, plan_for

_SOURCE = """\
struct p_top : public module {
	void reset() override;

	bool eval(performer *performer = nullptr) override;

	template<class ObserverT>
	bool commit(ObserverT &observer) {
		bool changed = false;
		if (p_a.commit(observer)) changed = true;
		if (p_b.commit(observer)) changed = true;
		return changed;
	}
}; // struct p_top

void p_top::reset() {
	p_a = wire<4>{0u};
	static const value<4> mem_init_1[2] {
		value<4>{0x1u}, value<4>{0x2u},
	};
	p_b = wire<4>{0u};
}

bool p_top::eval(performer *performer) {
	bool converged = true;
	bool posedge_p_clk = this->posedge_p_clk();
	// \\hdlname: near
	value<4> p_near;
	// \\hdlname: far
	value<4> p_far;
	// cells one
	p_near = p_i;
	p_far = p_near;
	// cell two
	if (posedge_p_clk) {
		p_a.next = p_far;
	}
	return converged;
}
"""


def test_parts_keep_statements_whole_and_in_order():
    split = split_functions(_SOURCE, part_lines=1)
    assert split.count("void p_top::eval_") == 3, "comments and two cells"
    assert split.count("void p_top::reset_") == 3, "two registers and a memory"
    assert split.count("changed = true;") == 4
    # Used by one part: local to it. Used by two: a member.
    struct, functions = split.split("}; // struct p_top")
    assert "value<4> p_far;" in struct
    assert "value<4> p_near;" not in struct
    order = ["value<4> p_near;", "p_near = p_i;", "p_far = p_near;", "p_a.next = p_far;"]
    places = [functions.index(text) for text in order]
    assert places == sorted(places)
    memory = "\t\tvalue<4>{0x1u}, value<4>{0x2u},\n\t};\n"
    assert memory in functions


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\t\tp_a.next = p_far;\n", "\t\tconverged = false;\n"),
        ("bool converged = true;", "bool settled = true;"),
        ("void p_top::reset() {", "void p_top::reset() noexcept {"),
        ("\treturn converged;\n", ""),
    ],
)
def test_feedback_and_what_is_not_expected_stay_as_they_are(old, new):
    source = _SOURCE.replace(old, new)
    assert source != _SOURCE
    assert split_functions(source, part_lines=1) == source


def test_a_design_in_many_parts_computes_the_same(rng, tmp_path, monkeypatch):
    monkeypatch.setenv("BINARRAY_CACHE", str(tmp_path))
    sources = []

    def split(source):
        sources.append((source, split_functions(source, part_lines=1)))
        return sources[-1][1]

    monkeypatch.setattr(cxxrtl, "split_functions", split)
    model = random_model(rng, max_size=8, max_channels=8)
    frames = rng.integers(0, 256, (3, *model.graph.input.type.shape), dtype=np.uint8)
    inputs = model.preprocessing.apply(frames)
    check(model, inputs, CoreSimulator(plan_for(model), model, taps=True).run(inputs))
    [(whole, parts)] = sources
    assert whole.count("void p_top::eval_") == 0
    assert parts.count("void p_top::eval_") > 20
    assert parts.count("void p_top::reset_") > 20
