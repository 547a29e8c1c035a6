"""What to cite: entries that BibTeX reads, and those of what a run used, no more."""

import json
import re
import shutil

import pytest

import gnode
from gnode.citations import CITATIONS, bibtex, citations
from gnode.data import SETS
from gnode.errors import InvalidInput
from gnode.integrate import integrators

SMALL = dict(epochs=1, batch_size=5, train_trials=10, validation_trials=5, test_trials=5)


def fields_of(entry: str) -> dict[str, str]:
    """The fields of a BibTeX entry, by a reader of balanced braces."""
    assert entry.count("{") == entry.count("}")
    head = re.match(r"@(article|inproceedings|incollection|phdthesis|misc)\{(\w+),\n", entry)
    assert head and entry.endswith(",\n}")
    found, at = {}, head.end()
    while match := re.compile(r"\s*(\w+)\s*= \{").match(entry, at):
        depth, at = 1, match.end()
        begin = at
        while depth:
            depth += {"{": 1, "}": -1}.get(entry[at], 0)
            at += 1
        found[match.group(1)] = entry[begin : at - 1]
        assert entry[at] == ","
        at += 1
    assert entry[at:].strip() == "}"
    return {"entry": head.group(1), **found}


@pytest.mark.parametrize("citation", CITATIONS, ids=lambda citation: citation.key)
def test_every_entry_is_bibtex_with_what_its_kind_asks_for(citation):
    asked = {
        "article": {"author", "title", "journal", "year", "volume"},
        "inproceedings": {"author", "title", "booktitle", "year"},
        "incollection": {"author", "title", "booktitle", "publisher", "year"},
        "phdthesis": {"author", "title", "school", "year"},
        "misc": {"author", "title", "year"},
    }
    found = fields_of(citation.entry)
    assert asked[found["entry"]] <= set(found)
    assert citation.key.endswith(found["year"]) or found["year"] in citation.key
    assert citation.used_for and "\n" not in citation.used_for
    assert " and " in found["author"] or "," in found["author"]


def test_keys_and_uses_are_said_once():
    assert len({citation.key for citation in CITATIONS}) == len(CITATIONS)
    assert len({citation.used_for for citation in CITATIONS}) == len(CITATIONS)


def keys(folder) -> set[str]:
    return {citation.key for citation in citations(folder)}


def test_a_run_cites_what_it_used_and_nothing_else(tmp_path):
    always = {"kingma2015adam", "bradbury2018jax", "kidger2021equinox", "deepmind2020jax"}
    echo = gnode.training.Data(*(gnode.tasks.make("ring", bins=6).sample(8, seed) for seed in range(3)))
    plain = gnode.models.make("rnn", input_size=2, state_size=2, output_size=2)
    own = dict(epochs=1, batch_size=4, weight_decay=0.0, schedule="constant")
    gnode.train(plain, echo, out=tmp_path / "rnn", **own)
    assert keys(tmp_path / "rnn") == always
    flow = gnode.models.make(
        "gnode", input_size=2, state_size=2, output_size=2, hidden=(3,), integrator="tsit5", layer_norm=True,
        activation="gelu", missing="hold-with-observed",
    )  # fmt: skip
    gnode.train(flow, gnode.tasks.make("ring", bins=6, frequency=3.0), out=tmp_path / "flow", **SMALL)
    used = {"kim2023trainability", "kidger2021thesis", "tsitouras2011", "ba2016layer", "hendrycks2016gelu"}
    used |= {"che2018missing"}
    assert keys(tmp_path / "flow") == always | used | {"loshchilov2019adamw", "loshchilov2017sgdr"}
    analysis = {"fixed_points": {"unseen": 0.1}, "attractors": [], "lyapunov": {"map": {"kaplan_yorke": 1.0}}}
    (tmp_path / "rnn" / "analysis.json").write_text(json.dumps(analysis))
    assert keys(tmp_path / "rnn") - always == {"sussillo2013", "good1953", "benettin1980", "kaplan1979"}
    config = tmp_path / "flow" / "config.toml"
    config.write_text(config.read_text().replace("[training]", '[training]\noptimiser = "levenberg-marquardt"'))
    damped = {"levenberg1944", "marquardt1963", "bradbury2018jax", "kidger2021equinox"}
    assert keys(tmp_path / "flow") == used | damped
    (tmp_path / "rnn" / "analysis.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"readable .*analysis\.json"):
        citations(tmp_path / "rnn")


def test_every_data_set_and_every_solver_of_an_author_has_an_entry():
    from gnode.citations import Used

    def cited(**tables) -> set[str]:
        used = Used(**{**dict(task="own data", model={}, training={}, analysed={}), **tables})
        return {citation.used_for for citation in CITATIONS if citation.applies(used)}

    none = cited()
    assert all(len(cited(task=name) - none) == 1 for name in SETS)
    named = [name for name in integrators() if any(name in citation.used_for.split() for citation in CITATIONS)]
    assert named == ["bosh3", "tsit5", "dopri5", "dopri8", "kvaerno5"]
    for name in named:
        assert f"the solver {name}" in cited(model={"integrator": name})


def test_a_sweep_cites_what_any_of_its_runs_used(plane_run, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(plane_run, tmp_path / "runs" / name)
    config = tmp_path / "runs/b/config.toml"
    config.write_text(config.read_text().replace("[training]", '[training]\noptimiser = "levenberg-marquardt"'))
    both = keys(tmp_path / "runs/a") | keys(tmp_path / "runs/b")
    assert keys(tmp_path) == both > keys(tmp_path / "runs/a") > {"kingma2015adam"} and "levenberg1944" in both


def test_the_command_prints_a_bib_file(gnode, plane_run):
    code, out, _ = gnode("cite", plane_run)
    entries = out.strip().split("\n\n")
    assert code == 0 and out.strip() == bibtex(citations(plane_run))
    assert all(entry.startswith("% ") and fields_of(entry.partition("\n")[2]) for entry in entries)
    listed = json.loads(gnode("cite --json", plane_run)[1])
    assert [entry["key"] for entry in listed["citations"]] == [one.key for one in citations(plane_run)]
    assert set(listed["citations"][0]) == {"key", "used_for", "bibtex"}
