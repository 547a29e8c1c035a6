"""What to cite: the methods that a run used, as BibTeX. A new one is a line in CITATIONS."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gnode.errors import InvalidInput
from gnode.examine.stored import NUMBERS
from gnode.files import path_of
from gnode.integrate import RULES
from gnode.tasks import TASKS, PulseTask
from gnode.training import RunDirectory
from gnode.training.directory import CONFIG


class Used(NamedTuple):
    """What a run used, as its directory says.

    Attributes:
        task: the name of its task.
        model: the table [model] of its configuration.
        training: the table [training].
        analysed: what stands in analysis.json; empty where the run was not analysed.
    """

    task: str
    model: dict[str, Any]
    training: dict[str, Any]
    analysed: dict[str, Any]

    @property
    def is_flow(self) -> bool:
        return self.model.get("integrator", "euler") not in RULES

    @property
    def activations(self) -> set[str]:
        keys = ("activation", "candidate_activation", "gate_activation")
        return {str(self.model[key]) for key in keys if key in self.model}


@dataclass(frozen=True)
class Citation:
    """A work to cite.

    Attributes:
        used_for: what a run used it for, in a line.
        applies: whether a run did.
        entry: in BibTeX.
    """

    used_for: str
    applies: Callable[[Used], bool]
    entry: str

    @property
    def key(self) -> str:
        found = re.match(r"@\w+\{([^,]+),", self.entry)
        assert found is not None
        return found.group(1)


def _always(used: Used) -> bool:
    return True


def _adam(used: Used) -> bool:
    return used.training.get("optimiser", "adamw") == "adamw"


def _memory_task(used: Used) -> bool:
    kind = TASKS.get(used.task)
    return used.task == "copy" or (kind is not None and issubclass(kind, PulseTask))


def _model(*names: str) -> Callable[[Used], bool]:
    return lambda used: used.model.get("model") in names


def _integrator(*names: str) -> Callable[[Used], bool]:
    return lambda used: used.model.get("integrator") in names


def _analysed(*parts: str) -> Callable[[Used], bool]:
    return lambda used: any(used.analysed.get(part) for part in parts)


# Only what is certain: volumes and pages that were not are left out.
CITATIONS: tuple[Citation, ...] = (
    Citation(
        "gated neural ODEs, and the protocol of the memory tasks",
        lambda used: _model("gnode", "mgru", "gru", "node")(used) or _memory_task(used),
        """@inproceedings{kim2023trainability,
  author    = {Kim, Timothy Doyeon and Can, Tankut and Krishnamurthy, Kamesh},
  title     = {Trainability, Expressivity and Interpretability in Gated Neural {ODE}s},
  booktitle = {Proceedings of the 40th International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {202},
  pages     = {16393--16423},
  year      = {2023},
}""",
    ),
    Citation(
        "the neural ODE",
        lambda used: _model("node")(used) or used.model.get("adjoint") == "backsolve",
        """@inproceedings{chen2018neural,
  author    = {Chen, Ricky T. Q. and Rubanova, Yulia and Bettencourt, Jesse and Duvenaud, David K.},
  title     = {Neural Ordinary Differential Equations},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {31},
  year      = {2018},
}""",
    ),
    Citation(
        "leaky units with learned leaks",
        _model("leaky-node"),
        """@article{jaeger2007leaky,
  author  = {Jaeger, Herbert and Luko{\\v{s}}evi{\\v{c}}ius, Mantas and Popovici, Dan and Siewert, Udo},
  title   = {Optimization and Applications of Echo State Networks with Leaky-Integrator Neurons},
  journal = {Neural Networks},
  volume  = {20},
  number  = {3},
  pages   = {335--352},
  year    = {2007},
}""",
    ),
    Citation(
        "the gated recurrent unit",
        _model("gru"),
        """@inproceedings{cho2014gru,
  author    = {Cho, Kyunghyun and van Merri{\\"e}nboer, Bart and Gulcehre, Caglar and Bahdanau, Dzmitry and
               Bougares, Fethi and Schwenk, Holger and Bengio, Yoshua},
  title     = {Learning Phrase Representations using {RNN} Encoder--Decoder for Statistical Machine Translation},
  booktitle = {Proceedings of the 2014 Conference on Empirical Methods in Natural Language Processing},
  pages     = {1724--1734},
  year      = {2014},
}""",
    ),
    Citation(
        "layer normalisation",
        lambda used: bool(used.model.get("layer_norm")),
        """@misc{ba2016layer,
  author = {Ba, Jimmy Lei and Kiros, Jamie Ryan and Hinton, Geoffrey E.},
  title  = {Layer Normalization},
  note   = {arXiv:1607.06450},
  year   = {2016},
}""",
    ),
    Citation(
        "the activation gelu",
        lambda used: "gelu" in used.activations,
        """@misc{hendrycks2016gelu,
  author = {Hendrycks, Dan and Gimpel, Kevin},
  title  = {Gaussian Error Linear Units ({GELU}s)},
  note   = {arXiv:1606.08415},
  year   = {2016},
}""",
    ),
    Citation(
        "the activation swish",
        lambda used: "swish" in used.activations,
        """@misc{ramachandran2017swish,
  author = {Ramachandran, Prajit and Zoph, Barret and Le, Quoc V.},
  title  = {Searching for Activation Functions},
  note   = {arXiv:1710.05941},
  year   = {2017},
}""",
    ),
    Citation(
        "missing values as inputs: what was observed, and how long ago",
        lambda used: used.model.get("missing") == "hold-with-observed",
        """@article{che2018missing,
  author  = {Che, Zhengping and Purushotham, Sanjay and Cho, Kyunghyun and Sontag, David and Liu, Yan},
  title   = {Recurrent Neural Networks for Multivariate Time Series with Missing Values},
  journal = {Scientific Reports},
  volume  = {8},
  pages   = {6085},
  year    = {2018},
}""",
    ),
    Citation(
        "the methods by which the flow is solved, and their software",
        lambda used: used.is_flow,
        """@phdthesis{kidger2021thesis,
  author = {Kidger, Patrick},
  title  = {On Neural Differential Equations},
  school = {University of Oxford},
  note   = {arXiv:2202.02435; the software is Diffrax},
  year   = {2021},
}""",
    ),
    Citation(
        "the interpolation of the inputs of the flow",
        lambda used: used.is_flow and used.model.get("interpolation", "constant") != "constant",
        """@misc{morrill2021online,
  author = {Morrill, James and Kidger, Patrick and Yang, Lingyi and Lyons, Terry},
  title  = {Neural Controlled Differential Equations for Online Prediction Tasks},
  note   = {arXiv:2106.11028},
  year   = {2021},
}""",
    ),
    Citation(
        "the solver tsit5",
        _integrator("tsit5"),
        """@article{tsitouras2011,
  author  = {Tsitouras, Ch.},
  title   = {{Runge--Kutta} Pairs of Order 5(4) Satisfying Only the First Column Simplifying Assumption},
  journal = {Computers \\& Mathematics with Applications},
  volume  = {62},
  number  = {2},
  pages   = {770--775},
  year    = {2011},
}""",
    ),
    Citation(
        "the solver dopri5",
        _integrator("dopri5"),
        """@article{dormand1980,
  author  = {Dormand, J. R. and Prince, P. J.},
  title   = {A Family of Embedded {Runge--Kutta} Formulae},
  journal = {Journal of Computational and Applied Mathematics},
  volume  = {6},
  number  = {1},
  pages   = {19--26},
  year    = {1980},
}""",
    ),
    Citation(
        "the solver dopri8",
        _integrator("dopri8"),
        """@article{prince1981,
  author  = {Prince, P. J. and Dormand, J. R.},
  title   = {High Order Embedded {Runge--Kutta} Formulae},
  journal = {Journal of Computational and Applied Mathematics},
  volume  = {7},
  number  = {1},
  pages   = {67--75},
  year    = {1981},
}""",
    ),
    Citation(
        "the solver bosh3",
        _integrator("bosh3"),
        """@article{bogacki1989,
  author  = {Bogacki, P. and Shampine, L. F.},
  title   = {A 3(2) Pair of {Runge--Kutta} Formulas},
  journal = {Applied Mathematics Letters},
  volume  = {2},
  number  = {4},
  pages   = {321--325},
  year    = {1989},
}""",
    ),
    Citation(
        "the solver kvaerno5",
        _integrator("kvaerno5"),
        """@article{kvaerno2004,
  author  = {Kv{\\ae}rn{\\o}, A.},
  title   = {Singly Diagonally Implicit {Runge--Kutta} Methods with an Explicit First Stage},
  journal = {BIT Numerical Mathematics},
  volume  = {44},
  pages   = {489--502},
  year    = {2004},
}""",
    ),
    Citation(
        "the optimiser Adam",
        _adam,
        """@inproceedings{kingma2015adam,
  author    = {Kingma, Diederik P. and Ba, Jimmy},
  title     = {Adam: A Method for Stochastic Optimization},
  booktitle = {International Conference on Learning Representations},
  note      = {arXiv:1412.6980},
  year      = {2015},
}""",
    ),
    Citation(
        "weight decay as in AdamW",
        lambda used: _adam(used) and used.training.get("weight_decay", 0) > 0,
        """@inproceedings{loshchilov2019adamw,
  author    = {Loshchilov, Ilya and Hutter, Frank},
  title     = {Decoupled Weight Decay Regularization},
  booktitle = {International Conference on Learning Representations},
  note      = {arXiv:1711.05101},
  year      = {2019},
}""",
    ),
    Citation(
        "the cosine schedule of the learning rate",
        lambda used: _adam(used) and "cosine" in str(used.training.get("schedule", "")),
        """@inproceedings{loshchilov2017sgdr,
  author    = {Loshchilov, Ilya and Hutter, Frank},
  title     = {{SGDR}: Stochastic Gradient Descent with Warm Restarts},
  booktitle = {International Conference on Learning Representations},
  note      = {arXiv:1608.03983},
  year      = {2017},
}""",
    ),
    Citation(
        "the optimiser levenberg-marquardt: damped steps",
        lambda used: not _adam(used),
        """@article{levenberg1944,
  author  = {Levenberg, Kenneth},
  title   = {A Method for the Solution of Certain Non-Linear Problems in Least Squares},
  journal = {Quarterly of Applied Mathematics},
  volume  = {2},
  pages   = {164--168},
  year    = {1944},
}""",
    ),
    Citation(
        "the optimiser levenberg-marquardt: how they are damped",
        lambda used: not _adam(used),
        """@article{marquardt1963,
  author  = {Marquardt, Donald W.},
  title   = {An Algorithm for Least-Squares Estimation of Nonlinear Parameters},
  journal = {Journal of the Society for Industrial and Applied Mathematics},
  volume  = {11},
  number  = {2},
  pages   = {431--441},
  year    = {1963},
}""",
    ),
    Citation(
        "the data set Walker2D",
        lambda used: used.task == "walker2d",
        """@misc{lechner2020irregular,
  author = {Lechner, Mathias and Hasani, Ramin},
  title  = {Learning Long-Term Dependencies in Irregularly-Sampled Time Series},
  note   = {arXiv:2006.04418},
  year   = {2020},
}""",
    ),
    Citation(
        "the data set Character Trajectories",
        lambda used: used.task.startswith("character-trajectories"),
        """@misc{williams2008characters,
  author       = {Williams, Ben},
  title        = {Character Trajectories},
  howpublished = {UCI Machine Learning Repository},
  doi          = {10.24432/C58G7V},
  year         = {2008},
}""",
    ),
    Citation(
        "the data set Speech Commands",
        lambda used: used.task == "speech-commands",
        """@misc{warden2018speech,
  author = {Warden, Pete},
  title  = {Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition},
  note   = {arXiv:1804.03209},
  year   = {2018},
}""",
    ),
    Citation(
        "fixed and slow points as minima of the speed",
        _analysed("fixed_points", "slow_points"),
        """@article{sussillo2013,
  author  = {Sussillo, David and Barak, Omri},
  title   = {Opening the Black Box: Low-Dimensional Dynamics in High-Dimensional Recurrent Neural Networks},
  journal = {Neural Computation},
  volume  = {25},
  number  = {3},
  pages   = {626--649},
  year    = {2013},
}""",
    ),
    Citation(
        "the chance that a fixed point was not seen (Good-Turing)",
        _analysed("fixed_points"),
        """@article{good1953,
  author  = {Good, I. J.},
  title   = {The Population Frequencies of Species and the Estimation of Population Parameters},
  journal = {Biometrika},
  volume  = {40},
  number  = {3--4},
  pages   = {237--264},
  year    = {1953},
}""",
    ),
    Citation(
        "topology of the attractor: software for persistent homology",
        _analysed("attractors", "birth"),
        """@article{tralie2018ripser,
  author  = {Tralie, Christopher and Saul, Nathaniel and Bar-On, Rann},
  title   = {{Ripser.py}: A Lean Persistent Homology Library for {Python}},
  journal = {Journal of Open Source Software},
  volume  = {3},
  number  = {29},
  pages   = {925},
  year    = {2018},
}""",
    ),
    Citation(
        "topology of the attractor: the algorithm",
        _analysed("attractors", "birth"),
        """@article{bauer2021ripser,
  author  = {Bauer, Ulrich},
  title   = {{Ripser}: Efficient Computation of {Vietoris--Rips} Persistence Barcodes},
  journal = {Journal of Applied and Computational Topology},
  volume  = {5},
  pages   = {391--423},
  year    = {2021},
}""",
    ),
    Citation(
        "dimension of the attractor: TwoNN",
        _analysed("attractors"),
        """@article{facco2017,
  author  = {Facco, Elena and d'Errico, Maria and Rodriguez, Alex and Laio, Alessandro},
  title   = {Estimating the Intrinsic Dimension of Datasets by a Minimal Neighborhood Information},
  journal = {Scientific Reports},
  volume  = {7},
  pages   = {12140},
  year    = {2017},
}""",
    ),
    Citation(
        "dimension of the attractor: Levina-Bickel",
        _analysed("attractors"),
        """@inproceedings{levina2004,
  author    = {Levina, Elizaveta and Bickel, Peter J.},
  title     = {Maximum Likelihood Estimation of Intrinsic Dimension},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {17},
  year      = {2004},
}""",
    ),
    Citation(
        "Lyapunov exponents",
        _analysed("lyapunov"),
        """@article{benettin1980,
  author  = {Benettin, Giancarlo and Galgani, Luigi and Giorgilli, Antonio and Strelcyn, Jean-Marie},
  title   = {{Lyapunov} Characteristic Exponents for Smooth Dynamical Systems and for {Hamiltonian} Systems; a Method
             for Computing All of Them},
  journal = {Meccanica},
  volume  = {15},
  year    = {1980},
}""",
    ),
    Citation(
        "the Kaplan-Yorke dimension",
        _analysed("lyapunov"),
        """@incollection{kaplan1979,
  author    = {Kaplan, James L. and Yorke, James A.},
  title     = {Chaotic Behavior of Multidimensional Difference Equations},
  booktitle = {Functional Differential Equations and Approximation of Fixed Points},
  series    = {Lecture Notes in Mathematics},
  volume    = {730},
  pages     = {204--227},
  publisher = {Springer},
  year      = {1979},
}""",
    ),
    Citation(
        "software: arrays, compilation and derivatives",
        _always,
        """@misc{bradbury2018jax,
  author = {Bradbury, James and Frostig, Roy and Hawkins, Peter and Johnson, Matthew James and Leary, Chris and
            Maclaurin, Dougal and Necula, George and Paszke, Adam and Vander{P}las, Jake and
            Wanderman-{M}ilne, Skye and Zhang, Qiao},
  title  = {{JAX}: Composable Transformations of {Python}+{NumPy} Programs},
  url    = {https://github.com/jax-ml/jax},
  year   = {2018},
}""",
    ),
    Citation(
        "software: models as trees of arrays",
        _always,
        """@misc{kidger2021equinox,
  author = {Kidger, Patrick and Garcia, Cristian},
  title  = {Equinox: Neural Networks in {JAX} via Callable {PyTree}s and Filtered Transformations},
  note   = {Differentiable Programming workshop at NeurIPS; arXiv:2111.00254},
  year   = {2021},
}""",
    ),
    Citation(
        "software: the optimiser (Optax)",
        _adam,
        """@misc{deepmind2020jax,
  author = {{DeepMind} and others},
  title  = {The {DeepMind} {JAX} Ecosystem},
  url    = {https://github.com/google-deepmind},
  year   = {2020},
}""",
    ),
)


def citations(directory: str | Path) -> list[Citation]:
    """What the run in a directory, or those of a sweep, used: to train, and, where it was analysed, to analyse.

    Raises:
        InvalidInput: the directory holds no run, or files of it are damaged.
    """
    of_a_sweep = sorted(config.parent for config in path_of(directory).glob(f"runs/*/{CONFIG}"))
    used = [_used(RunDirectory.open(folder)) for folder in of_a_sweep or [path_of(directory)]]
    return [citation for citation in CITATIONS if any(citation.applies(one) for one in used)]


def _used(run: RunDirectory) -> Used:
    config = run.config()
    return Used(str(config["task"].get("name", "")), config["model"], config["training"], _analysis(run.path / NUMBERS))


def bibtex(chosen: Sequence[Citation]) -> str:
    """A .bib file of these, each under a comment that says what it was used for."""
    return "\n\n".join(f"% {citation.used_for}\n{citation.entry}" for citation in chosen)


def _analysis(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"Must have a readable {path}, instead got a damaged one. Run gnode analyse again."
        ) from error
