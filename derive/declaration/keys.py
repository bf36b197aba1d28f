"""Every table of a declaration with its keys, and what each says: the refusals' list, and the site's reference."""

from __future__ import annotations

from collections.abc import Mapping

from derive.spec import OPTIONS

TABLES: Mapping[str, Mapping[str, str]] = {
    "": {
        "name": "Of the model and of its folder of generated code.",
        "summary": "One line for people.",
        "precision": 'Of kernels: "float64", or "float32"; coefficients and files are float64 always.',
        "equation": "What is solved.",
        "input": "How samples become a function, and what points and samples mean.",
        "lift": "From the records' channels to the state's.",
        "state": "The space of h(ξ, δ).",
        "weight": "The space of W(ξ, ξ′, δ).",
        "bias": "The space of b(ξ, δ), and of V(ξ, δ).",
        "integration": "How the depth is integrated.",
        "readout": "What is made of h(ξ, 1); without it the output is that function.",
        "loss": "What is minimised.",
        "training": "Defaults of fit and of its command.",
        "levels": "Other representations of the same model, by their names; each names only what differs.",
    },
    "equation": {
        "rate": "ρ in ∂h/∂δ = ρ(u, h): a name, or an expression in u (or u1, u2, …), h and declared parameters.",
        "activation": "f of a named rate: a name, or an expression in u.",
        "spacing": "Δ, the distance of the discrete layers that are generalised; exact.",
        "channels": "How many functions the state has.",
        "parameters": "Constants of a rate, by their names; exact.",
        "learned": "Parameters that training changes, a number a channel, and where they start.",
        "local": "Whether V(ξ, δ) h(ξ, δ) stands beside the integral.",
        "normalise": "ε: the rate takes u/√(mean of u² over the channels + ε) for u.",
        "symmetry": 'What the network commutes with: "translation", "reflection", { shift = … }, { map = … }; a list.',
        "reach": "r: W(ξ, ξ′) = κ(ξ − ξ′), zero for |ξ − ξ′| > r.",
        "exchange": '"symmetric" or "antisymmetric": W(ξ′, ξ) = ± W(ξ, ξ′).',
        "periodic": "Whether −1 and 1 are one point; on squares and cubes also one truth value an axis.",
        "dimension": "1 for an interval, 2 for the square, 3 for the cube.",
    },
    "input": {
        "interpolant": 'The function through the samples: "linear", "constant" (cells) or "least-squares".',
        "smoothing": "Of least squares where points do not determine the function.",
        "domain": "The two ends between which points lie, in your units, a pair an axis; without it training finds it.",
        "unit": "What points are measured in, for reports and pictures; one for all axes, or one an axis.",
        "scale": 'Of samples, by the training records and channel: "none", "standard" or "robust".',
        "missing": '"refused", or "unsampled": NaN is a point where that channel was not sampled.',
    },
    "lift": {
        "inputs": "Channels of the records.",
        "width": "The basis of P(ξ) in h(ξ, 0) = P(ξ) (x(ξ), 1); without it P is constant.",
    },
    "state": {
        "basis": "χ, of the state; in a list every slab has its own, with the input's in front.",
        "quadrature": "The number of nodes ξ_q, where the default is not wanted.",
    },
    "weight": {
        "width_out": "φ, the basis of W in ξ.",
        "width_in": "φ̃, the basis of W in ξ′.",
        "kernel": "The basis of κ on [−r, r], with a reach and in place of the two widths.",
        "depth": "θ, the basis of W in δ.",
    },
    "bias": {"width": "ψ, the basis of b and V in ξ.", "depth": "ϑ, their basis in δ."},
    "integration": {
        "tableau": "A name, or { a, b, c, order } of one's own, with embedded for adaptive steps.",
        "steps": 'In all, shared equally by the depth elements; or "adaptive".',
        "cuts": "More depths that no step crosses: the elements between them, and the fields', get equally many steps.",
        "tolerance": "Of adaptive steps: the error of one step, over 1 + ‖h‖.",
    },
    "readout": {
        "outputs": "How many classes or numbers, or, without a basis, channels of the output function.",
        "basis": "Of R_k(ξ) in ∫ R_k(ξ) h(ξ, 1) dξ + a_k.",
        "maximum": "β: smooth maxima (1/β) log(½ ∫ exp(β h) dξ) of the channels are read out, too.",
        "shares": "{ levels, width }: shares ½ ∫ 1/(1 + exp((ℓ − h)/width)) dξ above the levels ℓ are read out, too.",
        "width": "In place of basis: of R(ξ) and a(ξ), which give a function's channels.",
        "scale": "Of targets that are numbers or functions, as input.scale of samples.",
    },
    "loss": {
        "kind": "A name, or an expression in z (outputs) and t (targets).",
        "weight": "ω(ξ) of an l2 loss of functions.",
        "class_weights": '"balanced", or a list of numbers, one a class.',
        "penalty": "Of fields, by their squared L2 norms, or { H1 = … } where their bases are continuous.",
    },
    "training": {name: option.help for name, option in OPTIONS.items()},
}
