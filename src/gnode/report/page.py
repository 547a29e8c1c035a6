"""The report of one run or of several side by side: what is on the page, in words and figures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np

from gnode.errors import must_have
from gnode.examine.content import CHANNELS, FILM_SILENCE, Content, content_of
from gnode.examine.stored import checks_of, evidence_of
from gnode.files import path_of, write_atomically
from gnode.reconstruction import SUMMARY as RECONSTRUCTED
from gnode.report import interactive, predictions, style
from gnode.report.blocks import recoloured
from gnode.report.glossary import linked
from gnode.report.html import Card, Row, Section, embedded_json, fact, html_page, named, table
from gnode.report.portrait import portrait_weights, why_not
from gnode.report.predictions import Tile
from gnode.report.reconstruction import reconstruction_report


def report(directories: Sequence[str | Path], out: str | Path | None = None, *, title: str | None = None) -> Path:
    """Make one self-contained, interactive page from the files of run directories.

    What `gnode analyse` has left in a directory is shown too. Nothing of the page is loaded from elsewhere.

    Args:
        directories: of one run or one reconstruction, or of several runs that are to be seen side by side.
        out: the file to write; by default report.html in the first directory.
        title: of the page; by default what the run is.

    Returns:
        the path of the page.

    Raises:
        InvalidInput: a directory holds no run, or a damaged one.
        GnodeError: the page cannot be written.
    """
    if isinstance(directories, str | Path) or not isinstance(directories, Iterable):
        must_have("a list of run directories", repr(directories))
    directories = list(directories)
    if not directories:
        must_have("at least one run directory", "none")
    if len(directories) == 1 and (path_of(directories[0]) / RECONSTRUCTED).is_file():
        return reconstruction_report(directories[0], out, title=title)
    contents = _with_distinct_names([content_of(directory) for directory in directories])
    path = path_of(out) if out is not None else contents[0].path / "report.html"
    if path.is_dir():
        path = path / "report.html"
    if not path.parent.is_dir():
        must_have("an existing folder for the page", str(path.parent))
    write_atomically(path, _html(contents, title).encode())
    return path


def _with_distinct_names(contents: list[Content]) -> list[Content]:
    """Runs in folders of one name get their parents' names too."""
    names = [content.name for content in contents]
    if len(set(names)) == len(names):
        return contents
    return [replace(content, name="/".join(content.path.resolve().parts[-2:])) for content in contents]


# -- what is on the page --


def _sections(contents: Sequence[Content]) -> list[Section]:
    def each(make: Callable[[Content], Card | None]) -> list[Card | Row]:
        """A card of each run that has it: of several runs, those of one title beside each other."""
        made = [(run, card) for run, content in enumerate(contents) if (card := make(content)) is not None]
        if len(contents) == 1:
            return [card for _, card in made]
        rows: list[Card | Row] = []
        for title in dict.fromkeys(card.title for _, card in made):
            cards = {run: card for run, card in made if card.title == title}
            rows.append(
                Row(
                    [(contents[run].name, style.of_run(run), _in_colour(card, run)) for run, card in cards.items()],
                    [content.name for run, content in enumerate(contents) if run not in cards],
                )
            )
        return rows

    return [
        Section(
            "predictions",
            "What it predicts, and how well",
            "",
            [
                *each(lambda content: _trials(content) if content.scores else None),
                *each(predictions.confusion),
                *each(predictions.by_class),
                *each(predictions.reliability),
                *each(predictions.by_channel),
                *each(predictions.against_truth),
            ],
        ),
        Section(
            "training",
            "How it learned",
            "",
            [
                *_losses(contents),
                *_accuracies(contents),
                *each(lambda content: None if content.scores else _trials(content)),
            ],
        ),
        Section(
            "memory",
            "What it remembers",
            "Every value below was written once, with the task's own pulse; then the network was left without input. A "
            "perfect memory would keep each value where it was written, for ever.",
            [*each(_survivors_readout), *_memory(contents)],
        ),
        Section(
            "dynamics",
            "How it does it",
            "The network without input is a flow in the space of its states. Where the flow is slow, a state stays, "
            "and what it stands for is remembered.",
            [
                *each(predictions.states),
                *each(_flow),
                *each(_landscape),
                *each(_space),
                *each(_survivors_state),
                *each(_trajectories),
                *each(_explained),
            ],
        ),
        Section("points", "Fixed points", "", each(_fixed_points)),
        Section(
            "attractor",
            "What kind of attractor",
            "From the states after so many silent bins. The answer belongs to that time scale: what is a ring after a "
            "hundred bins may be a handful of points after ten thousand.",
            [*_attractors(contents), *each(_persistence), *each(_film), *each(_birth)],
        ),
        Section(
            "timescales",
            "Time scales",
            "",
            [
                *each(predictions.time_constants),
                *each(predictions.slowness),
                *each(_timescale_map),
                *each(_gate_histogram),
                *each(_nullclines),
                *each(_lyapunov),
            ],
        ),
        Section(
            "play",
            "Play with it",
            "This is the trained network itself, running in the page.",
            each(_portrait),
        ),
        Section("details", "Details", "", [*each(_evidence), *_details(contents)]),
    ]


def _in_colour(card: Card, run: int) -> Card:
    """A run's card in the colour that the run has everywhere."""
    if isinstance(card.body, str):
        return card
    return replace(card, body=recoloured(card.body, style.RUNS[0], style.of_run(run)))


def _losses(contents: Sequence[Content]) -> list[Card]:
    if not any(content.metrics for content in contents):
        return []
    caption = (
        "Error on the training trials (dotted) and on validation trials that were never trained on (solid), on a "
        "logarithmic axis. The parameters with the lowest validation error are kept, and shown on this page."
    )
    return [Card("Loss against epoch", caption, interactive.losses(contents), wide=len(contents) > 1)]


def _accuracies(contents: Sequence[Content]) -> list[Card]:
    if not any("val_accuracy" in record for content in contents for record in content.metrics):
        return []
    caption = (
        "The share of answers that are right, on training trials (dotted) and on validation trials (solid). Parameters "
        "are chosen by the loss, not by this."
    )
    return [Card("Accuracy against epoch", caption, interactive.accuracies(contents), wide=len(contents) > 1)]


def _trials(content: Content) -> Card | None:
    if not content.examples:
        return None
    origin = "Trials of the test set" if content.task is None else "Trials drawn afresh"
    caption = (
        f"{origin}. Grey: the input, held where it is missing. Dotted: what should come out. In colour: what the "
        "network says. A good network lies on the dots."
    )
    rows = dict(content.examples[0].rows)
    if "class" in rows:
        caption = (
            f"{origin}. Dotted: the class that is right. In colour: the one that the network takes for the most "
            f"likely, and "
            "the chance that it gives to the right one, sample by sample."
        )
    config = content.model.config
    beyond = [
        f"of {count} {what}"
        for what, count in (("inputs", config.input_size), ("outputs", 0 if "class" in rows else config.output_size))
        if count > CHANNELS
    ]
    if beyond:
        caption += f" The first {CHANNELS} are drawn {' and '.join(beyond)}."
    if config.reading != "each":
        caption += " The network answers once a trial: what is drawn is what it would answer if the trial ended there."
    return Card("Sample trials", caption, interactive.trials(content))


def _survivors_readout(content: Content) -> Card | None:
    if content.memory is None:
        return None
    caption = (
        f"Each dot is one of {len(content.memory.values)} remembered values, in the colour of the value that was "
        f"written; grey is the task's ideal manifold ({escape(content.task.manifold.kind)}). Move the slider to wait "  # type: ignore[union-attr]
        "longer: dots that run together have become indistinguishable."
    )
    return Card("What survives the silence, as read out", caption, interactive.survivors_readout(content))


def _survivors_state(content: Content) -> Card | None:
    if content.memory is None:
        return None
    caption = (
        "The same values as states of the network. Click fixed-point kinds in the legend to lay them over: the states "
        "creep along the slow set towards the stable ones."
    )
    return Card("What survives, in state space", caption, interactive.survivors_state(content))


def _memory(contents: Sequence[Content]) -> list[Card]:
    if all(content.memory is None for content in contents):
        return []
    error = (
        "Root mean square distance between what was written and what is read out, in the units of the task, against "
        f"the time without input (one bin is {style.number(1000 * contents[0].bin_seconds)} ms). Lower is better."
    )
    distinct = (
        "How many of the written values the readout still tells apart (cells of side 0.02). This, rather than the "
        "loss, shows how continuous the memory is. Higher is better."
    )
    return [
        Card("Memory error against silence", error, interactive.memory_error(contents)),
        Card("Distinct values against silence", distinct, interactive.memory_values(contents)),
    ]


def _flow(content: Content) -> Card:
    size = content.model.config.state_size
    where = (
        "This is the state space itself."
        if size <= 2
        else "This is a slice through the state space, along the two directions in which states vary most."
    )
    caption = (
        "Without input. Colour: how fast the state moves (dark is slow). Arrows: where to. Markers: fixed points of "
        "the "
        f"flow and slow points, where it only lingers, found from {content.fixed_points.starts} starts. Hover over one "
        "for its stability as a flow and as the map that was trained."
    )
    if size == 1:
        caption = "The velocity of the state against the state: it moves right where the curve is above zero."
    return Card("The flow field", caption, interactive.flow(content), note="" if size == 1 else where)


def _landscape(content: Content) -> Card | None:
    if content.model.config.state_size != 2:
        return None
    caption = (
        "The same speeds as a landscape: height is the logarithm of the speed. What is remembered lies in the valleys, "
        "one dot a value after 100 silent bins. Drag to turn it."
    )
    if content.memory is None:
        caption = (
            "The same speeds as a landscape: height is the logarithm of the speed. In its valleys states linger. Drag "
            "to turn it."
        )
    title = "The landscape of speed" if content.memory is None else "The valley of memory"
    return Card(title, caption, interactive.landscape(content))


def _space(content: Content) -> Card | None:
    if content.model.config.state_size < 3:
        return None
    axes = "its three units" if content.model.config.state_size == 3 else "the three main directions (PCA)"
    caption = "States, with the fixed points in their reach. Drag to turn, scroll to come closer."
    note = f"The axes are {axes}."
    return Card("The state space in three dimensions", caption, interactive.space(content), note=note)


def _trajectories(content: Content) -> Card | None:
    if content.traces is None:
        caption = "The states of the sample trials above, from the first sample to the last, whose end is marked."
        return Card("Trajectories of trials", caption, interactive.trajectories(content)) if content.examples else None
    caption = (
        "From the silent bin before the pulse to 200 bins after it, one line a remembered value. The pulse throws the "
        "state towards its place; the end of the line is marked. Hover over a line for its value."
    )
    return Card("Trajectories after pulses", caption, interactive.trajectories(content))


def _explained(content: Content) -> Card | None:
    if content.model.config.state_size < 4:
        return None
    together = content.space.explained
    assert together is not None
    caption = f"The three directions drawn above carry {together.sum():.0%} of the variance of the visited states."
    return Card("How much the projections show", caption, interactive.explained(content))


def _fixed_points(content: Content) -> Card:
    found, slow = content.fixed_points, content.slow_points
    flow_names = found.flow_stability or []
    map_names = found.map_stability or []
    pairs = sorted({*zip(flow_names, map_names, strict=True)})
    rows = []
    for pair in pairs:
        here = [at for at, names in enumerate(zip(flow_names, map_names, strict=True)) if names == pair]
        rates = found.flow_eigenvalues[here].real.max(axis=1)  # type: ignore[index]
        rows.append(
            [
                *map(escape, pair),
                str(len(here)),
                f"{style.number(float(rates.min()))} to {style.number(float(rates.max()))}",
            ]
        )
    lingering = int((~slow.fixed).sum())
    note = (
        f"{len(found)} fixed point{'s' if len(found) != 1 else ''} from {found.starts} starts; one more start would "
        f"find a new one with a chance of about {found.unseen:.0%} (Good and Turing's estimate). {lingering} slow "
        f"point{'s' if lingering != 1 else ''} where the flow lingers without standing still, from {slow.starts} "
        "starts."
    )
    caption = (
        "The map and the flow stand still at the same points but need not agree on stability. Next to zero, the growth "
        "rate says how slowly a state leaves or arrives: many nearly neutral points along a curve are how a network "
        "approximates a continuous attractor."
    )
    head = ["as a flow", "as the map", "how many", linked("fastest growth (1/s)", "growth")]
    body = table(head, rows) if rows else "<p>None found.</p>"
    return Card("Fixed points by stability", caption, body, note=note)


def _attractors(contents: Sequence[Content]) -> list[Card]:
    """One table of all runs: after each silence, run by run."""
    found = [
        (run, content, facts)
        for run, content in enumerate(contents)
        if content.stored is not None
        for facts in content.stored.numbers.get("attractors", [])
    ]
    if not found:
        return []
    found.sort(key=lambda one: one[2]["silence"])  # stable: runs stay in their order
    several = len(contents) > 1
    rows = [
        [
            *([named(content.name, style.of_run(run))] if several else []),
            f"{facts['silence']:,}",
            f"<b>{escape(str(facts['kind']))}</b>",
            half_life(facts),
            style.number(float(facts["drift"])) + between(facts.get("intervals", {}).get("drift")),
            str(facts["distinct"]),
            str(facts["dimension"]),
            ", ".join(map(str, facts["betti"])),
            style.number(float(facts["spectral_gap"])),
            f"{float(facts['coverage']):.0%}",
            style.number(float(facts["hausdorff"])),
            style.number(float(facts["rms_error"])),
        ]
        for run, content, facts in found
    ]
    head = [
        *(["run"] if several else []),
        "silent bins",
        linked("kind", "kind"),
        linked("half-life (bins)", "half-life"),
        linked("drift per bin", "drift"),
        linked("values kept apart", "distinct"),
        linked("dimension", "dimension"),
        linked("Betti", "betti"),
        linked("pull across / along", "pull"),
        linked("coverage", "coverage"),
        linked("Hausdorff", "hausdorff"),
        linked("RMS error", "memory-error"),
    ]
    caption = "In brackets: 95 % intervals, of what another draw of values would change."
    without = [content for run, content in enumerate(contents) if run not in {run for run, *_ in found}]
    if later := [content for content in without if content.stored is None]:
        caption += f" Not yet analysed: {escape(', '.join(content.name for content in later))} (gnode analyse DIR)."
    if never := [content.name for content in without if content.stored is not None]:
        caption += f" Not there for {escape(', '.join(never))}: no remembered values."
    return [Card("The attractor, at three time scales", caption, table(head, rows), wide=True)]


def half_life(facts: dict) -> str:
    """In silent bins, with its interval, as analysis.json has it."""
    found = float(facts["half_life"])
    words = "more than 10,000" if np.isinf(found) else f"{found:.4g}"
    return words + between(facts.get("intervals", {}).get("half_life"))


def between(interval: Sequence[float | str] | None) -> str:
    """An interval behind its figure; nothing where it is unknown, or of an earlier version."""
    if interval is None or "nan" in interval:
        return ""
    low, high = map(float, interval)
    return f" [{style.number(low)}, {style.number(high)}]"


def _persistence(content: Content) -> Card | None:
    if content.stored is None or not any("persistence" in name for name in content.stored.arrays):
        return None
    evidence = content.stored.numbers["attractors"][0]["evidence"]
    caption = (
        "Holes in the set of states after 100 silent bins: each dot is born at one scale and filled at another. Far "
        "above the line is real, near it is noise."
    )
    note = f"Verdict: {escape(evidence)}."
    drawn = interactive.persistence(content)
    body = drawn if len(drawn["data"]) > 1 else "<p>No hole at any scale.</p>"  # else only the line
    return Card("Topology", caption, body, note=note)


def _film(content: Content) -> Card | None:
    if content.film is None:
        return None
    caption = f"What is read out {FILM_SILENCE} silent bins after the pulse, over the course of training. Press play."
    return Card("The birth of the attractor", caption, interactive.film(content))


def _birth(content: Content) -> Card | None:
    if content.stored is None or "birth" not in content.stored.numbers:
        return None
    rows = [
        [
            str(facts["epoch"]),
            style.number(float(facts["val_loss"])),
            escape(facts["kind"]),
            str(facts["dimension"]),
            ", ".join(map(str, facts["betti"])),
            style.number(float(facts["drift"])) + between(facts.get("intervals", {}).get("drift")),
        ]
        for facts in content.stored.numbers["birth"]
    ]
    rows_of_snapshots = table(
        ["epoch", "validation loss", linked("kind", "kind"), "dimension", "Betti", linked("drift per bin", "drift")],
        rows,
    )
    return Card(
        "Its kind, snapshot by snapshot",
        f"After {FILM_SILENCE} silent bins.",
        f'<div class="tall">{rows_of_snapshots}</div>',
    )


def _timescale_map(content: Content) -> Card | None:
    if content.stored is None or "timescales/plane/units" not in content.stored.arrays:
        return None
    overlap = content.stored.numbers["timescales"]["slow_overlap"]
    caption = (
        f"The effective time constant τ/gate of each unit over the plane; dark is slow. Dots: {_looked_at(content)}."
    )
    note = (
        f"A state there has smaller gates than one elsewhere with a chance of {100 * overlap:.0f} % (50 %: the gate "
        "makes no difference)."
    )
    return Card("Where the gate makes it slow", caption, interactive.timescale_map(content), note=note)


def _gate_histogram(content: Content) -> Card | None:
    if content.stored is None or content.stored["timescales/gates"].min() == 1:
        return None
    caption = f"Gates of {_looked_at(content)}, unit by unit. A gate of 0.01 makes its unit a hundred times slower."
    return Card("How open the gates are", caption, interactive.gate_histogram(content))


def _looked_at(content: Content) -> str:
    """Which states time scales are those of."""
    return "states that trials visit" if content.memory is None else "states after 100 silent bins"


def _nullclines(content: Content) -> Card | None:
    if content.stored is None or content.stored.nullclines("flow") is None:
        return None
    caption = (
        "Curves on which one unit stands still; where curves of both units cross, the state is fixed. The legend also "
        "has the nullclines of F alone, the line where a gate is half open, and the curves that flow into saddles "
        "(borders of basins) and out of them."
    )
    return Card("Nullclines and the borders of basins", caption, interactive.nullclines(content))


def _lyapunov(content: Content) -> Card | None:
    if content.stored is None:
        return None
    of_map, of_flow = (content.stored.numbers["lyapunov"][kind] for kind in ("map", "flow"))
    exponents = content.stored["lyapunov/map/exponents"]
    intervals = content.stored["lyapunov/map/intervals"]
    flow = content.stored["lyapunov/flow/exponents"]
    caption = "How fast nearby states of the map part (above zero) or meet (below)."
    if of_map.get("differ"):
        largest = content.stored["lyapunov/map/per_start"].max(axis=1)
        note = (
            f"Largest per bin, at each of {len(largest)} starts: {style.number(largest.min())} to "
            f"{style.number(largest.max())}. They differ by more than their scatter, as on different attractors: the "
            "curves are means over starts and describe none of these."
        )
        return Card("Lyapunov exponents", caption, interactive.lyapunov(content), note=note)
    note = (
        f"Largest: {style.number(exponents[0])} per bin (95 % interval {style.number(intervals[0, 0])} to "
        f"{style.number(intervals[0, 1])}), of the flow "
        f"{style.number(flow[0])} per second. Kaplan-Yorke dimension "
        f"{fact(of_map['kaplan_yorke'])}{between(of_map.get('kaplan_yorke_interval'))} (flow "
        f"{fact(of_flow['kaplan_yorke'])}{between(of_flow.get('kaplan_yorke_interval'))})."
    )
    return Card("Lyapunov exponents", caption, interactive.lyapunov(content), note=note)


def _evidence(content: Content) -> Card | None:
    if content.stored is None:
        return None
    evidence = evidence_of(content.stored.numbers)
    if not evidence:  # analysed by an earlier version
        return None
    rows = [[escape(name), escape(words)] for name, words in evidence.items()]
    said = " ".join(evidence.values())
    checks = "".join(f"<li>{escape(line)}</li>" for line in checks_of(content.stored.numbers) if line not in said)
    caption = "What each name and number above rests on. A name that the numbers do not hold is not given."
    body = table(["analysis", "evidence"], rows) + (
        f"<p>Of the network's functions:</p><ul>{checks}</ul>" if checks else ""
    )
    return Card("How sure is that?", caption, body)


def _portrait(content: Content) -> Card | None:
    if content.model.config.state_size not in (2, 3):
        return None
    if reason := why_not(content.model):
        return Card(
            "A phase portrait to play with", f"Left out, because the page cannot run this network: {reason}.", ""
        )
    pulse = getattr(content.task, "width", 2) + 1
    region = content.bounds if content.model.config.state_size == 2 else _box(content)
    reach = 1.0 if content.trials is None else max(float(np.abs(content.trials.inputs).max()), 1e-3)
    known = content.fixed_points.points
    data = portrait_weights(content.model, region, pulse_bins=pulse, input_reach=reach, known=known)
    caption = (
        "Click to place a state and watch it move. Drag the held input: the flow and its fixed points follow. Or "
        "choose <i>pulse</i>: the value you let go of is given to all states for the length of one pulse. Map is what "
        f"was trained, {_one_bin(content)}; flow is the differential equation behind it."
        + (" Drag the picture to turn it." if content.model.config.state_size == 3 else "")
    )
    body = f'<div class="portrait"><script type="application/json">{embedded_json(data)}</script></div>'
    return Card("A phase portrait to play with", caption, body, wide=True)


def _one_bin(content: Content) -> str:
    solved = content.model.integrator.kind == "flow"
    return "seen bin by bin" if solved else f"one step of {content.model.config.integrator} a bin"


def _box(content: Content) -> tuple[np.ndarray, np.ndarray]:
    low, high = content.visited.min(axis=0), content.visited.max(axis=0)
    middle, half = (low + high) / 2, 0.6 * float((high - low).max())
    return middle - half, middle + half


_TABLES = ("task", "model", "training", "outcome")


def _details(contents: Sequence[Content]) -> list[Card]:
    settings = [content.config | {"outcome": content.summary} for content in contents]
    if len(contents) > 1:
        return [_side_by_side(contents, settings)]
    parts = []
    for name in _TABLES:
        rows = [[escape(str(key)), escape(fact(value))] for key, value in settings[0].get(name, {}).items()]
        parts.append(f"<div><h4>{escape(name)}</h4>{table(['', ''], rows, plain=True)}</div>")
    return [Card("Everything that determines the run", "", f'<div class="facts">{"".join(parts)}</div>', wide=True)]


def _side_by_side(contents: Sequence[Content], settings: Sequence[dict]) -> Card:
    """A column a run, and first the rows in which runs differ."""
    names = dict.fromkeys((part, key) for run in settings for part in _TABLES for key in run.get(part, {}))
    differing, alike = [], []
    for part, key in sorted(names, key=lambda name: _TABLES.index(name[0])):
        values = [escape(fact(run.get(part, {}).get(key, "–"))) for run in settings]
        (alike if len(set(values)) == 1 else differing).append([f"{part}: {escape(str(key))}", *values])
    head = ["", *(content.name for content in contents)]
    body = table(head, differing)
    if alike:
        rows = [row[:2] for row in alike]
        body += (
            f"<details><summary>{len(rows)} more that all runs share</summary>{table(['', ''], rows, True)}</details>"
        )
    return Card("In what the runs differ", "Settings and outcome.", f'<div class="differ">{body}</div>', wide=True)


# -- the words at the top --


def _headline(content: Content) -> tuple[str, str]:
    """What was trained, as a title and as a sentence of HTML."""
    config = content.model.config
    kind = {
        "gnode": "gated neural ODE", "node": "neural ODE", "leaky-node": "leaky neural ODE", "mgru": "minimal GRU",
        "gru": "GRU", "rnn": "RNN",
    }  # fmt: skip
    name = kind.get(config.model, config.model)
    task = content.config.get("task", {}).get("name", "own data")
    of_task = content.config.get("task", {}).get("train")
    nothing_known = f"{of_task} training trials" if of_task else "none of gnode's tasks"
    about = getattr(content.task or content.data_set, "summary", nothing_known)
    size = content.summary.get("parameters")
    with_parameters = f" with {size:,} trained parameters" if size else ""
    seconds = content.summary.get("seconds")
    took = f" in {seconds:,.0f} s" if seconds else ""
    unfinished = " The run was stopped before its end." if content.summary.get("unfinished") else ""
    if content.unsolved:
        count = f"{content.unsolved} of the {len(content.unseen_path.failed)} trials looked at"
        unfinished += f" {count} could not be solved beyond some sample, and nothing is shown of them."
    if content.unseen is None:
        unfinished += " Its trials are not at hand: states below are those of free runs from random states."
    kind_of_trials = "the task " if content.task else "the data set " if content.data_set else ""
    what = f"{kind_of_trials}<b>{escape(task)}</b>"
    sentence = (
        f"A {config.state_size}-dimensional {name}{with_parameters} was trained on {what} "
        f"({escape(about)}) for {content.summary.get('epochs', '?')} epochs{took}.{unfinished}"
    )
    return f"{config.state_size}-dimensional {name}, {task}", sentence


def _tiles(content: Content) -> list[Tile]:
    """The numbers that matter."""
    tiles = predictions.tiles(content)
    which = "validation" if content.summary.get("test_loss") is None else "test"
    loss = content.summary.get("val_loss" if which == "validation" else "test_loss")
    name = content.summary.get("loss", "loss")
    scale = "" if content.model.output_scaling is None else ", in the model's scale"
    if loss is not None and name == "mse" and not tiles and not scale:
        note = f"per channel on {which} trials, task units (MSE {style.number(loss)})"
        tiles.append(Tile(style.number(float(np.sqrt(loss))), "typical error", "typical-error", note))
    elif loss is not None:
        tiles.append(Tile(style.number(loss), f"{which} loss", "loss", f"{escape(str(name))}{scale}"))
    tiles += _memory_tiles(content)
    if content.stored is not None and (attractors := content.stored.numbers.get("attractors")):
        facts = attractors[0]
        tiles.append(Tile(escape(facts["kind"]), "kind", "kind", f"after {facts['silence']} silent bins"))
        interval = between(facts.get("intervals", {}).get("drift"))
        drift = style.number(float(facts["drift"]))
        tiles.append(Tile(drift, "drift per bin", "drift", f"after {facts['silence']} silent bins{interval}"))
    found = content.fixed_points
    stable = sum(style.stability_class(one) == style.STABLE for one in found.map_stability or [])
    note = f"from {found.starts} starts; {stable} {'is' if stable == 1 else 'are'} stable for the map that was trained"
    return [*tiles, Tile(str(len(found)), "fixed points", "fixed-points", note)]


def _memory_tiles(content: Content) -> list[Tile]:
    memory = content.memory
    if memory is None:
        return []
    tiles = []
    for silence in (100, 1000):
        at = int(np.flatnonzero(memory.silences == silence)[0])
        note = f"{style.number(silence * content.bin_seconds)} s; RMS, task units"
        error = style.number(memory.rms_error[at])
        tiles.append(Tile(error, f"error after {silence} silent bins", "memory-error", note))
    note = f"of {len(memory.values)}, after 1000 silent bins ({memory.bits[at]:.1f} bits)"
    tiles.append(Tile(str(memory.distinct[at]), "values kept apart", "distinct", note))
    half = "> 10,000" if np.isinf(memory.half_life) else f"{memory.half_life:.4g}"
    note = f"silent bins; 95 % interval{between(list(memory.half_life_interval)) or ' unknown'}"
    return [*tiles, Tile(half, "half-life", "half-life", note)]


def _comparison(contents: Sequence[Content]) -> str:
    """The tiles as a table, a row a run."""
    tiles = [{(tile.name, tile.key): tile.value for tile in _tiles(content)} for content in contents]
    names = list(dict.fromkeys(name for of_one in tiles for name in of_one))
    head = ["run", "network", linked("parameters", "parameters"), *(linked(*name) for name in names)]
    rows = []
    for run, (content, values) in enumerate(zip(contents, tiles, strict=True)):
        network = f"{content.model.config.model}, N = {content.model.config.state_size}"
        rows.append(
            [
                named(content.name, style.of_run(run)),
                escape(network),
                f"{content.summary.get('parameters', 0):,}",
                *(values.get(name, "–") for name in names),
            ]
        )
    return table(head, rows)


# -- HTML --


def _tile(tile: Tile) -> str:
    look = ' class="words"' if len(tile.value) > 14 else ""
    name = linked(tile.name, tile.key)
    return f'<div class="tile"><b{look}>{tile.value}</b><span>{name}</span><small>{tile.note}</small></div>'


def _html(contents: Sequence[Content], title: str | None) -> str:
    if len(contents) == 1:
        what, sentence = _headline(contents[0])
        tiles = "".join(map(_tile, _tiles(contents[0])))
        title = title or what
        top = f'<p class="of">{escape(contents[0].name)}</p><h1>{escape(title)}</h1><p class="lead">{sentence}</p>'
        top += f'<div class="tiles">{tiles}</div>'
    else:
        title = title or "Runs side by side: " + ", ".join(content.name for content in contents)
        sentences = "".join(
            f"<li><b>{named(content.name, style.of_run(run))}</b>: {_headline(content)[1]}</li>"
            for run, content in enumerate(contents)
        )
        top = f"<h1>{escape(title)}</h1><ul class='lead runs'>{sentences}</ul>{_comparison(contents)}"
    stored = any(content.stored is not None for content in contents)
    hint = (
        ""
        if stored
        else ". Deeper pages (kind of attractor, time scales, exponents) appear after <code>gnode analyse</code>"
    )
    origin = f"the files of the run director{'y' if len(contents) == 1 else 'ies'} alone{hint}"
    return html_page(title, top, _sections(contents), origin=origin, scripts=("network.js", "portrait.js"))
