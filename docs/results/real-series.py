"""Recordings of the world, as Python packages ship them: the page real-series.md.

    python docs/results/real-series.py [NAME ...]

It needs the packages of benchmarks/requirements.txt. Each series is reconstructed once, into runs/real-series/NAME; the
page is made of what is there.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["NPROC"] = "1"  # one thread, as the command has it

import numpy as np
from machine import measured_on

import gnode
from gnode.errors import InvalidInput
from gnode.report.reconstruction import reconstruction_report

sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
# or numba, which aeon imports, takes coverage.py beside this script for the package of that name

PAGE, RUNS = Path(__file__).with_suffix(".md"), Path("runs/real-series")
KEPT = RUNS / "records.jsonl"
PAGE_TEXT = """# Recordings of the world

    python docs/results/real-series.py

`gnode.reconstruct` with its default settings, on series that Python packages ship. What was expected, written before
the first run: of the ECG a periodic attractor; of sunspots and El Nino nothing beyond linear dynamics, since a few
dozen noisy cycles do not show more; of Lynx a refusal. Nobody knows the right answer here, so what counts is whether
what is said is borne out by what was held out.

Samples are counted as seconds apart, whatever they are: a "second" of sunspots is a year, of El Nino a month, of the
ECG a 360th of a second.

{rows}

What came: of sunspots, El Nino and Lynx what was expected. Of the ECG not: a recording of 2.8 s holds four beats, of
which the last tenth is less than one, and a beat is stiff (a spike in a hundredth of a second after a second of
little), so networks with seven delays foretell it worse than its mean does, and leave it; nothing is claimed, where a
longer recording would be needed to claim anything.

How to read them: the first sentence decides. If forecasts of the last tenth do not beat a linear model's, what networks
hold besides is on the page of the run and is not claimed. The last tenth of a short series holds few cycles, and the
twenty starts in it overlap, so a p value near 0.05 is worth little. {when}
"""


def sunspots() -> np.ndarray:
    from statsmodels.datasets import sunspots

    return sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(float)


def el_nino() -> np.ndarray:
    from statsmodels.datasets import elnino

    return elnino.load_pandas().data.drop(columns="YEAR").to_numpy(float).ravel()


def ecg() -> np.ndarray:
    import pywt

    return pywt.data.ecg().astype(float)


def lynx() -> np.ndarray:
    from aeon.datasets import load_lynx

    return np.asarray(load_lynx(), float).ravel()


SERIES = {
    "sunspots": (sunspots, "Sunspots", "yearly numbers from 1700 (statsmodels)"),
    "ecg": (ecg, "ECG", "an electrocardiogram, 360 samples a second (pywt)"),
    "el-nino": (el_nino, "El Nino", "monthly temperatures of the sea surface (statsmodels)"),
    "lynx": (lynx, "Lynx", "yearly numbers of lynx that were trapped in Canada (aeon)"),
}


def measured(name: str) -> dict:
    values = SERIES[name][0]()
    began = time.process_time()
    try:
        found = gnode.reconstruct(values, out=RUNS / name, channels=[name])
    except InvalidInput as error:
        return {"samples": len(values), "refused": str(error)}
    reconstruction_report(RUNS / name)
    return {"samples": len(values), "seconds": time.process_time() - began, **found.summary}


def paragraph(name: str, one: dict) -> str:
    _, title, what = SERIES[name]
    head = f"## {title}\n\n{what[0].upper()}{what[1:]}, {one['samples']} samples.\n"
    if "refused" in one:
        return f"{head}\nRefused: *{one['refused']}*"
    of, first = one["forecast"], one["exponents"][0] if one["exponents"] else None
    exponent = "none" if first is None else f"{first['value']:.3f} [{first['low']:.3f}, {first['high']:.3f}]"
    names = ", ".join(f"{kind} ({share:.0%})" for kind, share in one["attractors"].items()) or "none: no network stays"
    lines = [
        "| | |",
        "|---|---|",
        f"| forecast holds for, median [10 %, 90 %] of {of['starts']} starts | {of['valid_median']:.3g} "
        f"[{of['valid_low']:.3g}, {of['valid_high']:.3g}]; a linear model {of['valid_linear']:.3g} |",
        f"| skill over a linear model | {of['skill']:.2f} (p = {of['p']:.2g}); over the mean {of['of_mean']:.2f} |",
        f"| noise, at most | {one['recording']['noise']:.0%} of the deviation |",
        f"| delays | {one['state']['delays']}, {one['state']['lag']:.3g} apart |",
        f"| largest exponent that the networks have | {exponent} |",
        f"| attractors that they have | {names} |",
        f"| CPU seconds | {one['seconds']:.0f} |",
    ]
    said = "\n".join(f"- {sentence}" for sentence in one["verdict"])
    return head + "\n" + "\n".join(lines) + f"\n\nThe verdict:\n\n{said}\n"


def main() -> None:
    records = {}
    if KEPT.exists():
        records = {one["name"]: one for one in map(json.loads, KEPT.read_text().splitlines())}
    for name in sys.argv[1:] or SERIES:
        if name not in records:
            records[name] = {"name": name, **measured(name)}
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            with KEPT.open("a") as file:
                file.write(json.dumps(records[name]) + "\n")
            print(name, records[name].get("refused") or records[name]["verdict"][0], flush=True)
    text = "\n".join(paragraph(name, records[name]) for name in SERIES if name in records)
    PAGE.write_text(PAGE_TEXT.format(rows=text, when=measured_on()))


if __name__ == "__main__":
    main()
