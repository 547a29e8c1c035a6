"""Every wrong input of a table is refused in one sentence of ours that names what came, at once, and leaves nothing.

The table (wrong_inputs.py) is tried in a process of its own, because the tests check annotations, which users do not.
"""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from wrong_inputs import CALLS, COMMANDS

SECONDS = 5.0  # that one may take, on a machine that has other things to do
OF_THE_SYSTEM = "Could not "  # how errors begin that the file system has its part in


def test_the_table_is_long_and_says_nothing_twice():
    calls = [call for call, _ in CALLS] + [line for line, _, _ in COMMANDS]
    assert len(calls) == len(set(calls)) >= 600


# One test: spread over several workers, each would try the whole table.
def test_what_is_wrong_is_refused_in_one_sentence_that_names_it(tmp_path):
    table = Path(__file__).parent / "wrong_inputs.py"
    run = subprocess.run([sys.executable, table, tmp_path], capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr[-2000:]
    outcomes = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(outcomes) == len(CALLS) + len(COMMANDS)
    wrong = {outcome["what"]: faults for outcome in outcomes if (faults := faults_of(outcome))}
    assert not wrong, "\n".join(f"{what}: {faults}" for what, faults in wrong.items())


def faults_of(outcome: dict) -> list[str]:
    """What is not as it should be in what came of a wrong input."""
    faults = of_command(outcome) if "expected" in outcome else of_call(outcome)
    faults += [f"left behind {outcome['left']}"] if outcome["left"] else []
    return faults + ([f"{outcome['seconds']} s"] if outcome["seconds"] > SECONDS else [])


def of_call(outcome: dict) -> list[str]:
    sentence = (outcome["raised"] or "").partition(": ")[2]
    right = outcome["family"] and "\n" not in sentence and outcome["words"] in sentence and is_of_ours(sentence)
    return ([] if right else [f"raised {outcome['raised']}"]) + ([outcome["err"]] if outcome["err"] else [])


def of_command(outcome: dict) -> list[str]:
    said = outcome["err"]
    right = outcome["code"] == outcome["expected"] and not outcome["out"] and "Traceback" not in said
    right = right and outcome["words"] in " ".join(said.replace("│", " ").split())
    if outcome["expected"] == 1:
        *before, last = said.splitlines()
        right = right and last.startswith("gnode: ") and is_of_ours(last.removeprefix("gnode: "))
        right = right and (not before or outcome["what"].startswith("gnode demo"))  # which says first what it is about
    return [] if right else [f"exit code {outcome['code']}, {outcome['out']}{said}"]


def is_of_ours(sentence: str) -> bool:
    return sentence.startswith(OF_THE_SYSTEM) or (sentence.startswith("Must have") and "instead got" in sentence)
