"""Faults in the checked-in kernels: what an editor, a merge or a wrong printer could leave there.

Bytes show all of them (``continua generate --check``); beside that it is noted which properties of ``continua verify``,
the numerical ones, see each.
"""

from __future__ import annotations

from tests.mutants.faults import Fault
from tests.mutants.mutant import Check

BASES = Check("tests", ("tests/numerics/test_specs.py", "-k", "functions"))


def _fault(name: str, module: str, within: str, old: str, new: str, *also: Check) -> Fault:
    spec = f"specs/{module.partition('/')[0]}.toml"
    checks = [Check("bytes", (spec,))]
    if module.endswith("cpu.py"):
        checks.insert(0, Check("verify", (spec,)))
    checks += also
    return Fault(f"{module}: {name}", f"generated/{module}", old, new, within, tuple(checks), every=True)


GENERATED = (
    _fault("1/Δ lost", "vowels/cpu.py", "formed_forward_1", "value_R = (c2*t0)", "value_R = t0"),
    _fault("the activation's derivative without its square", "vowels/cpu.py", "formed_adjoint_1",
           "t1 = (c2 + (c3*t0))*v_q", "t1 = (c2 + (c3*f1_q))*v_q"),
    _fault("the last stage before each is forgotten", "vowels/cpu.py", "formed_forward_1",
           "for j in range(i):", "for j in range(i - 1):"),
    _fault("channels of W transposed", "vowels/cpu.py", "formed_operators_1",
           "given = rows.reshape((Phi.shape[1], width))",
           "given = rows.T.copy().reshape((Phi.shape[1], width))"),
    _fault("the bias's gradient of the last stage only", "vowels/cpu.py", "formed_operators_adjoint_1",
           "bar_beta[k, a] += factor*given[a]", "bar_beta[k, a] = factor*given[a]"),
    _fault("the first stage is left out of the step", "vowels/cpu.py", "factors_forward_1",
           "for j in range(stages):", "for j in range(1, stages):"),
    _fault("h̄ without the factor α", "custom/cpu.py", "formed_adjoint_1",
           "target[a] += alpha*given[a]", "target[a] += given[a]"),
    _fault("the wrong branch of |ξ|", "custom/cpu.py", "basis_392fe3fcfcdf",
           "values[2] = (c2*xi)", "values[2] = xi", BASES),
    _fault("a depth function decays with a sign less", "custom/cpu.py", "basis_7551385b7ff3",
           "t0 = np.exp((c2*xi))", "t0 = np.exp((-c2*xi))", BASES),
    _fault("the loss's source with the wrong sign", "custom/cpu.py", "loss",
           "source[k, r] = (((t0*sum_total)/sum_partition) + (c2*tk))",
           "source[k, r] = (((t0*sum_total)/sum_partition) - (c2*tk))"),
    _fault("the bias's gradient of one stage overwrites the others", "custom/cpu.py", "factors_adjoint_1",
           "bar_bias[a] += total", "bar_bias[a] = total"),
    _fault("tanh left out", "custom/cpu.py", "formed_forward_1", "t0 = np.tanh(u_q)", "t0 = u_q"),
    _fault("the mixed weights do not start at zero", "mlp/cpu.py", "formed_entry_operators_1",
           "target[:] = constants[0]", "target[:] = constants[1]"),
    _fault("dL/dh through the operator is lost", "mlp/cpu.py", "formed_adjoint_2",
           "np.dot(operator_entry.T, bar_U, bar_entry)", "bar_entry[:] = constants[0]"),
    _fault("the arriving state with the wrong sign", "mlp/cpu.py", "formed_forward_1",
           "np.dot(operator_entry, h_entry, U)", "np.dot(operator_entry, -h_entry, U)"),
    _fault("a banded product loses its last column", "digits/cpu.py", "formed_operators_1",
           "for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):", "for b in range(Phi_runs[a, 0], Phi_runs[a, 1] - 1):"),
    _fault("the readout's constant subtracted", "custom/cpu.py", "readout",
           "z[a, r] += constant[a]", "z[a, r] -= constant[a]"),
    _fault("the gradient of the readout's constant of the last record only", "custom/cpu.py", "readout_adjoint",
           "bar_constant[a] += bar_z[a, r]", "bar_constant[a] = bar_z[a, r]"),
    _fault("the gradient of w of one stage overwrites the others", "digits/cpu.py", "factors_adjoint_1",
           "add_dot(bar_T, G[slot].T, bar_operator)", "np.dot(bar_T, G[slot].T, bar_operator)"),
    _fault("gelu′ without u φ(u)", "gunpoint/cpu.py", "formed_adjoint_1",
           "(c2 + ((c2*c3*t1*u_q)/c5) + (c2*f1_q))", "(c2 + (c2*f1_q))"),
    _fault("gelu with another width", "gunpoint/cpu.py", "formed_forward_1",
           "math.erf((c3*c4*u_q))", "math.erf((c4*u_q))"),
    _fault("Newton's update with the wrong sign", "stiff/cpu.py", "formed_forward_1",
           "H[slot][a, r] += solution[i*state + a, r]", "H[slot][a, r] -= solution[i*state + a, r]"),
    _fault("h² for h³", "stiff/cpu.py", "formed_forward_1", "t1 = h_q*t0", "t1 = t0"),
    _fault("the transposed equations' coupling with the wrong sign", "stiff/cpu.py", "formed_adjoint_1",
           "total -= combine[n, j, i + 1]", "total += combine[n, j, i + 1]"),
    _fault("1/Δ lost on the GPU", "vowels/cuda.py", "formed_forward_1",
           "value_R = (c2*t0)", "value_R = t0"),
    _fault("Newton's update with the wrong sign on the GPU", "stiff/cuda.py", "formed_forward_1",
           "H[slot, a, first + r] += solution", "H[slot, a, first + r] -= solution"),
)  # fmt: skip
