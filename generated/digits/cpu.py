"""Kernels of the continuum 'digits'; specification 958b70519f11.

∂h/∂δ = ρ(u, h),  rate residual,  f = tanh,  Δ = 1/2;  u = ∫ W h dξ′ + b   (1), (2)

Written by ``continua generate``; do not edit. The derivation is in derivation.md beside this file.
Rows are (axis · channel), columns are records. Tables, tableau and constants are arguments.
"""

import math  # noqa: F401

import numpy as np


def add_dot(a, b, out):
    """out += a b"""
    out += np.dot(a, b)


def formed_operators_1(
    w, theta, Phi, Phi_runs, C, beta, vartheta, Psi, Psi_runs, constants, channels, operators, biases,
):
    """E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"""
    mixed = np.empty((w.shape[1], w.shape[2]), w.dtype)
    mixed_bias = np.empty((beta.shape[1],), w.dtype)
    for s in range(operators.shape[0]):
        # Σ_k theta_sk w_k
        target = mixed
        target[:] = constants[0]
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    for b in range(target.shape[1]):
                        target[a, b] += factor*w[k, a, b]
        rows = mixed
        width = rows.size//Phi.shape[1]
        left = np.empty((Phi.shape[0], width), rows.dtype)
        given = rows.reshape((Phi.shape[1], width))
        left[:] = constants[0]
        for a in range(Phi.shape[0]):
            for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                factor = Phi[a, b]
                for r in range(given.shape[1]):
                    left[a, r] += factor*given[b, r]
        rows = left.reshape((left.size//mixed.shape[1], mixed.shape[1]))
        # the columns: transposed, they are rows
        given = np.empty((C.shape[0], rows.shape[0]*channels), rows.dtype)
        for a in range(rows.shape[0]):
            for b in range(C.shape[0]):
                for c in range(channels):
                    given[b, a*channels + c] = rows[a, b*channels + c]
        right = np.empty((C.shape[1], rows.shape[0]*channels), rows.dtype)
        for a in range(C.shape[0]):
            for r in range(given.shape[1]):
                right[a, r] = C[a, a]*given[a, r]
        target = operators[s]
        for a in range(rows.shape[0]):
            for b in range(C.shape[1]):
                for c in range(channels):
                    target[a, b*channels + c] = right[b, a*channels + c]
    for s in range(biases.shape[0]):
        # Σ_k vartheta_sk beta_k
        target = mixed_bias
        target[:] = constants[0]
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    target[a] += factor*beta[k, a]
        # e_s = Ψ β_s
        width = biases[s].size//Psi.shape[0]
        target = biases[s].reshape((Psi.shape[0], width))
        given = mixed_bias.reshape((Psi.shape[1], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[a, r] += factor*given[b, r]


def formed_operators_adjoint_1(
    bar_operators, theta, Phi, Phi_runs, C, bar_biases, vartheta, Psi, Psi_runs, constants, channels, bar_w, bar_beta,
):
    """The adjoint of: E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)   (11)"""
    mixed = np.empty((bar_w.shape[1], bar_w.shape[2]), bar_w.dtype)
    mixed_bias = np.empty((bar_beta.shape[1],), bar_w.dtype)
    for s in range(bar_operators.shape[0]):
        rows = bar_operators[s]
        width = rows.size//Phi.shape[0]
        left = np.empty((Phi.shape[1], width), rows.dtype)
        given = rows.reshape((Phi.shape[0], width))
        left[:] = constants[0]
        for a in range(Phi.shape[0]):
            for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                factor = Phi[a, b]
                for r in range(given.shape[1]):
                    left[b, r] += factor*given[a, r]
        rows = left.reshape((left.size//bar_operators[s].shape[1], bar_operators[s].shape[1]))
        # the columns: transposed, they are rows
        given = np.empty((C.shape[1], rows.shape[0]*channels), rows.dtype)
        for a in range(rows.shape[0]):
            for b in range(C.shape[1]):
                for c in range(channels):
                    given[b, a*channels + c] = rows[a, b*channels + c]
        right = np.empty((C.shape[0], rows.shape[0]*channels), rows.dtype)
        for a in range(C.shape[0]):
            for r in range(given.shape[1]):
                right[a, r] = C[a, a]*given[a, r]
        target = mixed
        for a in range(rows.shape[0]):
            for b in range(C.shape[0]):
                for c in range(channels):
                    target[a, b*channels + c] = right[b, a*channels + c]
        given = mixed
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    for b in range(given.shape[1]):
                        bar_w[k, a, b] += factor*given[a, b]
    for s in range(bar_biases.shape[0]):
        # β_s̄ = Ψᵀ e_s̄
        width = mixed_bias.size//Psi.shape[1]
        target = mixed_bias.reshape((Psi.shape[1], width))
        given = bar_biases[s].reshape((Psi.shape[0], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[b, r] += factor*given[a, r]
        given = mixed_bias
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    bar_beta[k, a] += factor*given[a]


def formed_forward_1(
    h, combine, operator_index, bias_index, operators, biases, constants, channels, keep, F1, H,
):
    """h ← h(stop): m_i = A r(u, X h),  u = E_s h + e_s,  E_s = Φ w_s C   (4), (5), (7)."""
    c2 = constants[2]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]
    m = np.empty((stages, h.shape[0], records), h.dtype)
    U = np.empty((biases.shape[1], records), h.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i if keep else 0
            bias = biases[bias_index[n, i]]
            operator = operators[operator_index[n, i]]
            # H_i = α_i h_n + Σ_j γ_ij m_j
            alpha = combine[n, i, 0]
            H_i = H[slot]
            if i == 0 and alpha == 1 and not keep:
                H_i = h
            else:
                target, given = H_i.reshape(h.size), h.reshape(h.size)
                for a in range(h.size):
                    target[a] = alpha*given[a]
                for j in range(i):
                    gamma = combine[n, i, j + 1]
                    if gamma != 0:
                        given = m[j].reshape(h.size)
                        for a in range(h.size):
                            target[a] += gamma*given[a]
            # U = E_s H_i
            np.dot(operator, H_i, U)
            # m_i, F1 at every node and record, u = U + e_s
            for a in range(U.shape[0]):
                for r in range(U.shape[1]):
                    u_q = U[a, r] + bias[a]
                    t0 = np.tanh(u_q)
                    value_M = (c2*t0)
                    m[i][a, r] = value_M
                    value_F1 = t0
                    F1[slot][a, r] = value_F1
        # h_{n+1} = α h_n + Σ_j γ_j m_j
        alpha = combine[n, stages, 0]
        target, given = h.reshape(h.size), h.reshape(h.size)
        if alpha != 1:
            for a in range(h.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = m[j].reshape(h.size)
                for a in range(h.size):
                    target[a] += gamma*given[a]


def formed_adjoint_1(
    bar, combine, operator_index, bias_index, operators, biases, constants, channels, F1, H, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state = bar.shape[0]
    bar_m = np.empty((stages, bar.shape[0], records), bar.dtype)
    bar_h = np.empty((bar.shape[0], records), bar.dtype)
    bar_H = np.empty((bar.shape[0], records), bar.dtype)
    bar_U = np.empty((biases.shape[1], records), bar.dtype)
    for n in range(steps - 1, -1, -1):
        # m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}
        alpha = combine[n, stages, 0]
        target, given = bar_h.reshape(bar.size), bar.reshape(bar.size)
        for a in range(bar.size):
            target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            target = bar_m[j].reshape(bar.size)
            for a in range(bar.size):
                target[a] = gamma*given[a]
        for i in range(stages - 1, -1, -1):
            slot = n*stages + i
            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
            # Ū, e_s̄ at every node and record, f1 = F1, v = m_ī
            for a in range(bar_m[i].shape[0]):
                total = constants[0]
                for r in range(bar_m[i].shape[1]):
                    f1_q = F1[slot][a, r]
                    v_q = bar_m[i][a, r]
                    t0 = f1_q*f1_q
                    t1 = (c2 + (c3*t0))*v_q
                    value_bar_U = t1
                    bar_U[a, r] = value_bar_U
                    total += value_bar_U
                bar_bias[a] += total
            # gradient of E_s: += Ū H_iᵀ, summed over records
            add_dot(bar_U, H[slot].T, bar_operator)
            # H_ī = E_sᵀ Ū
            np.dot(operator.T, bar_U, bar_H)
            # m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i
            alpha = combine[n, i, 0]
            target, given = bar_h.reshape(bar.size), bar_H.reshape(bar.size)
            for a in range(bar.size):
                target[a] += alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    target = bar_m[j].reshape(bar.size)
                    for a in range(bar.size):
                        target[a] += gamma*given[a]
        for a in range(0, state):
            for r in range(records):
                bar[a, r] = bar_h[a, r]


def formed_tangent_1(
    dot, combine, operator_index, bias_index, operators, biases, constants, channels, dot_operators, dot_biases, F1, H,
):
    """dot ← dh(stop), from dh(start) and changes of operators and biases   (7)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, dot.shape[1]
    dot_m = np.empty((stages, dot.shape[0], records), dot.dtype)
    dot_H = np.empty((dot.shape[0], records), dot.dtype)
    dot_U = np.empty((biases.shape[1], records), dot.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i
            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
            # dH_i = α_i dh_n + Σ_j γ_ij dm_j
            alpha = combine[n, i, 0]
            target, given = dot_H.reshape(dot.size), dot.reshape(dot.size)
            for a in range(dot.size):
                target[a] = alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    given = dot_m[j].reshape(dot.size)
                    for a in range(dot.size):
                        target[a] += gamma*given[a]
            # dU = E_s dH_i
            np.dot(operator, dot_H, dot_U)
            # dU += dE_s H_i
            add_dot(dot_operator, H[slot], dot_U)
            # dm_i at every node and record, f1 = F1, v1 = dU + de_s
            for a in range(F1[slot].shape[0]):
                for r in range(F1[slot].shape[1]):
                    f1_q = F1[slot][a, r]
                    v1_q = dot_U[a, r] + dot_bias[a]
                    t0 = f1_q*f1_q
                    value_dot_M = ((c2 + (c3*t0))*v1_q)
                    dot_m[i][a, r] = value_dot_M
        # dh_{n+1} = α dh_n + Σ_j γ_j dm_j
        alpha = combine[n, stages, 0]
        target, given = dot.reshape(dot.size), dot.reshape(dot.size)
        if alpha != 1:
            for a in range(dot.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = dot_m[j].reshape(dot.size)
                for a in range(dot.size):
                    target[a] += gamma*given[a]


def factors_operators_1(w, theta, beta, vartheta, Psi, Psi_runs, constants, channels, operators, biases):
    """w_s = Σ_k θ_k(δ_s) w_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"""
    mixed_bias = np.empty((beta.shape[1],), w.dtype)
    for s in range(operators.shape[0]):
        # Σ_k theta_sk w_k
        target = operators[s]
        target[:] = constants[0]
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    for b in range(target.shape[1]):
                        target[a, b] += factor*w[k, a, b]
    for s in range(biases.shape[0]):
        # Σ_k vartheta_sk beta_k
        target = mixed_bias
        target[:] = constants[0]
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    target[a] += factor*beta[k, a]
        # e_s = Ψ β_s
        width = biases[s].size//Psi.shape[0]
        target = biases[s].reshape((Psi.shape[0], width))
        given = mixed_bias.reshape((Psi.shape[1], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[a, r] += factor*given[b, r]


def factors_operators_adjoint_1(
    bar_operators, theta, bar_biases, vartheta, Psi, Psi_runs, constants, channels, bar_w, bar_beta,
):
    """The adjoint of: w_s = Σ_k θ_k(δ_s) w_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)   (11)"""
    mixed_bias = np.empty((bar_beta.shape[1],), bar_w.dtype)
    for s in range(bar_operators.shape[0]):
        given = bar_operators[s]
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    for b in range(given.shape[1]):
                        bar_w[k, a, b] += factor*given[a, b]
    for s in range(bar_biases.shape[0]):
        # β_s̄ = Ψᵀ e_s̄
        width = mixed_bias.size//Psi.shape[1]
        target = mixed_bias.reshape((Psi.shape[1], width))
        given = bar_biases[s].reshape((Psi.shape[0], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[b, r] += factor*given[a, r]
        given = mixed_bias
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    bar_beta[k, a] += factor*given[a]


def factors_forward_1(
    h, combine, operator_index, bias_index, operators, biases, Phi, Phi_runs, C, constants, channels, keep, F1, G,
):
    """h ← h(stop): m_i = A r(u, X h),  u = Φ (w_s (C h)) + e_s   (4), (5), (7)."""
    c2 = constants[2]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]
    m = np.empty((stages, h.shape[0], records), h.dtype)
    H = np.empty((h.shape[0], records), h.dtype)
    T = np.empty((operators.shape[1], records), h.dtype)
    U = np.empty((biases.shape[1], records), h.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i if keep else 0
            bias = biases[bias_index[n, i]]
            operator = operators[operator_index[n, i]]
            # H_i = α_i h_n + Σ_j γ_ij m_j
            alpha = combine[n, i, 0]
            H_i = H
            if i == 0 and alpha == 1:
                H_i = h
            else:
                target, given = H_i.reshape(h.size), h.reshape(h.size)
                for a in range(h.size):
                    target[a] = alpha*given[a]
                for j in range(i):
                    gamma = combine[n, i, j + 1]
                    if gamma != 0:
                        given = m[j].reshape(h.size)
                        for a in range(h.size):
                            target[a] += gamma*given[a]
            # G = C H_i
            width = G[slot].size//C.shape[0]
            target = G[slot].reshape((C.shape[0], width))
            given = H_i.reshape((C.shape[1], width))
            for a in range(C.shape[0]):
                for r in range(given.shape[1]):
                    target[a, r] = C[a, a]*given[a, r]
            # T = w_s G
            np.dot(operator, G[slot], T)
            # U = Φ T
            width = U.size//Phi.shape[0]
            target = U.reshape((Phi.shape[0], width))
            given = T.reshape((Phi.shape[1], width))
            target[:] = constants[0]
            for a in range(Phi.shape[0]):
                for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                    factor = Phi[a, b]
                    for r in range(given.shape[1]):
                        target[a, r] += factor*given[b, r]
            # m_i, F1 at every node and record, u = U + e_s
            for a in range(U.shape[0]):
                for r in range(U.shape[1]):
                    u_q = U[a, r] + bias[a]
                    t0 = np.tanh(u_q)
                    value_M = (c2*t0)
                    m[i][a, r] = value_M
                    value_F1 = t0
                    F1[slot][a, r] = value_F1
        # h_{n+1} = α h_n + Σ_j γ_j m_j
        alpha = combine[n, stages, 0]
        target, given = h.reshape(h.size), h.reshape(h.size)
        if alpha != 1:
            for a in range(h.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = m[j].reshape(h.size)
                for a in range(h.size):
                    target[a] += gamma*given[a]


def factors_adjoint_1(
    bar, combine, operator_index, bias_index, operators, biases, Phi, Phi_runs, C, constants, channels, F1, G, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state = bar.shape[0]
    bar_m = np.empty((stages, bar.shape[0], records), bar.dtype)
    bar_h = np.empty((bar.shape[0], records), bar.dtype)
    bar_G = np.empty((operators.shape[2], records), bar.dtype)
    bar_H = np.empty((bar.shape[0], records), bar.dtype)
    bar_T = np.empty((operators.shape[1], records), bar.dtype)
    bar_U = np.empty((biases.shape[1], records), bar.dtype)
    for n in range(steps - 1, -1, -1):
        # m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}
        alpha = combine[n, stages, 0]
        target, given = bar_h.reshape(bar.size), bar.reshape(bar.size)
        for a in range(bar.size):
            target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            target = bar_m[j].reshape(bar.size)
            for a in range(bar.size):
                target[a] = gamma*given[a]
        for i in range(stages - 1, -1, -1):
            slot = n*stages + i
            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
            # Ū, e_s̄ at every node and record, f1 = F1, v = m_ī
            for a in range(bar_m[i].shape[0]):
                total = constants[0]
                for r in range(bar_m[i].shape[1]):
                    f1_q = F1[slot][a, r]
                    v_q = bar_m[i][a, r]
                    t0 = f1_q*f1_q
                    t1 = (c2 + (c3*t0))*v_q
                    value_bar_U = t1
                    bar_U[a, r] = value_bar_U
                    total += value_bar_U
                bar_bias[a] += total
            # T̄ = Φᵀ Ū
            width = bar_T.size//Phi.shape[1]
            target = bar_T.reshape((Phi.shape[1], width))
            given = bar_U.reshape((Phi.shape[0], width))
            target[:] = constants[0]
            for a in range(Phi.shape[0]):
                for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                    factor = Phi[a, b]
                    for r in range(given.shape[1]):
                        target[b, r] += factor*given[a, r]
            # gradient of w_s: += T̄ Gᵀ, summed over records
            add_dot(bar_T, G[slot].T, bar_operator)
            # Ḡ = w_sᵀ T̄
            np.dot(operator.T, bar_T, bar_G)
            # H_ī = Cᵀ Ḡ
            width = bar_H.size//C.shape[1]
            target = bar_H.reshape((C.shape[1], width))
            given = bar_G.reshape((C.shape[0], width))
            for a in range(C.shape[0]):
                for r in range(given.shape[1]):
                    target[a, r] = C[a, a]*given[a, r]
            # m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i
            alpha = combine[n, i, 0]
            target, given = bar_h.reshape(bar.size), bar_H.reshape(bar.size)
            for a in range(bar.size):
                target[a] += alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    target = bar_m[j].reshape(bar.size)
                    for a in range(bar.size):
                        target[a] += gamma*given[a]
        for a in range(0, state):
            for r in range(records):
                bar[a, r] = bar_h[a, r]


def factors_tangent_1(
    dot, combine, operator_index, bias_index, operators, biases, Phi, Phi_runs, C, constants, channels, dot_operators, dot_biases, F1, G,
):
    """dot ← dh(stop), from dh(start) and changes of operators and biases   (7)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, dot.shape[1]
    dot_m = np.empty((stages, dot.shape[0], records), dot.dtype)
    dot_H = np.empty((dot.shape[0], records), dot.dtype)
    dot_G = np.empty((operators.shape[2], records), dot.dtype)
    dot_T = np.empty((operators.shape[1], records), dot.dtype)
    dot_U = np.empty((biases.shape[1], records), dot.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i
            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
            # dH_i = α_i dh_n + Σ_j γ_ij dm_j
            alpha = combine[n, i, 0]
            target, given = dot_H.reshape(dot.size), dot.reshape(dot.size)
            for a in range(dot.size):
                target[a] = alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    given = dot_m[j].reshape(dot.size)
                    for a in range(dot.size):
                        target[a] += gamma*given[a]
            # dG = C dH_i
            width = dot_G.size//C.shape[0]
            target = dot_G.reshape((C.shape[0], width))
            given = dot_H.reshape((C.shape[1], width))
            for a in range(C.shape[0]):
                for r in range(given.shape[1]):
                    target[a, r] = C[a, a]*given[a, r]
            # dT = w_s dG
            np.dot(operator, dot_G, dot_T)
            # dT += dw_s G
            add_dot(dot_operator, G[slot], dot_T)
            # dU = Φ dT
            width = dot_U.size//Phi.shape[0]
            target = dot_U.reshape((Phi.shape[0], width))
            given = dot_T.reshape((Phi.shape[1], width))
            target[:] = constants[0]
            for a in range(Phi.shape[0]):
                for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                    factor = Phi[a, b]
                    for r in range(given.shape[1]):
                        target[a, r] += factor*given[b, r]
            # dm_i at every node and record, f1 = F1, v1 = dU + de_s
            for a in range(F1[slot].shape[0]):
                for r in range(F1[slot].shape[1]):
                    f1_q = F1[slot][a, r]
                    v1_q = dot_U[a, r] + dot_bias[a]
                    t0 = f1_q*f1_q
                    value_dot_M = ((c2 + (c3*t0))*v1_q)
                    dot_m[i][a, r] = value_dot_M
        # dh_{n+1} = α dh_n + Σ_j γ_j dm_j
        alpha = combine[n, stages, 0]
        target, given = dot.reshape(dot.size), dot.reshape(dot.size)
        if alpha != 1:
            for a in range(dot.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = dot_m[j].reshape(dot.size)
                for a in range(dot.size):
                    target[a] += gamma*given[a]


def formed_operators_2(
    w, theta, Phi, Phi_runs, C, C_runs, beta, vartheta, Psi, Psi_runs, constants, channels, operators, biases,
):
    """E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"""
    mixed = np.empty((w.shape[1], w.shape[2]), w.dtype)
    mixed_bias = np.empty((beta.shape[1],), w.dtype)
    for s in range(operators.shape[0]):
        # Σ_k theta_sk w_k
        target = mixed
        target[:] = constants[0]
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    for b in range(target.shape[1]):
                        target[a, b] += factor*w[k, a, b]
        rows = mixed
        width = rows.size//Phi.shape[1]
        left = np.empty((Phi.shape[0], width), rows.dtype)
        given = rows.reshape((Phi.shape[1], width))
        left[:] = constants[0]
        for a in range(Phi.shape[0]):
            for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                factor = Phi[a, b]
                for r in range(given.shape[1]):
                    left[a, r] += factor*given[b, r]
        rows = left.reshape((left.size//mixed.shape[1], mixed.shape[1]))
        # the columns: transposed, they are rows
        given = np.empty((C.shape[0], rows.shape[0]*channels), rows.dtype)
        for a in range(rows.shape[0]):
            for b in range(C.shape[0]):
                for c in range(channels):
                    given[b, a*channels + c] = rows[a, b*channels + c]
        right = np.empty((C.shape[1], rows.shape[0]*channels), rows.dtype)
        right[:] = constants[0]
        for a in range(C.shape[0]):
            for b in range(C_runs[a, 0], C_runs[a, 1]):
                factor = C[a, b]
                for r in range(given.shape[1]):
                    right[b, r] += factor*given[a, r]
        target = operators[s]
        for a in range(rows.shape[0]):
            for b in range(C.shape[1]):
                for c in range(channels):
                    target[a, b*channels + c] = right[b, a*channels + c]
    for s in range(biases.shape[0]):
        # Σ_k vartheta_sk beta_k
        target = mixed_bias
        target[:] = constants[0]
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    target[a] += factor*beta[k, a]
        # e_s = Ψ β_s
        width = biases[s].size//Psi.shape[0]
        target = biases[s].reshape((Psi.shape[0], width))
        given = mixed_bias.reshape((Psi.shape[1], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[a, r] += factor*given[b, r]


def formed_operators_adjoint_2(
    bar_operators, theta, Phi, Phi_runs, C, C_runs, bar_biases, vartheta, Psi, Psi_runs, constants, channels, bar_w, bar_beta,
):
    """The adjoint of: E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)   (11)"""
    mixed = np.empty((bar_w.shape[1], bar_w.shape[2]), bar_w.dtype)
    mixed_bias = np.empty((bar_beta.shape[1],), bar_w.dtype)
    for s in range(bar_operators.shape[0]):
        rows = bar_operators[s]
        width = rows.size//Phi.shape[0]
        left = np.empty((Phi.shape[1], width), rows.dtype)
        given = rows.reshape((Phi.shape[0], width))
        left[:] = constants[0]
        for a in range(Phi.shape[0]):
            for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                factor = Phi[a, b]
                for r in range(given.shape[1]):
                    left[b, r] += factor*given[a, r]
        rows = left.reshape((left.size//bar_operators[s].shape[1], bar_operators[s].shape[1]))
        # the columns: transposed, they are rows
        given = np.empty((C.shape[1], rows.shape[0]*channels), rows.dtype)
        for a in range(rows.shape[0]):
            for b in range(C.shape[1]):
                for c in range(channels):
                    given[b, a*channels + c] = rows[a, b*channels + c]
        right = np.empty((C.shape[0], rows.shape[0]*channels), rows.dtype)
        right[:] = constants[0]
        for a in range(C.shape[0]):
            for b in range(C_runs[a, 0], C_runs[a, 1]):
                factor = C[a, b]
                for r in range(given.shape[1]):
                    right[a, r] += factor*given[b, r]
        target = mixed
        for a in range(rows.shape[0]):
            for b in range(C.shape[0]):
                for c in range(channels):
                    target[a, b*channels + c] = right[b, a*channels + c]
        given = mixed
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    for b in range(given.shape[1]):
                        bar_w[k, a, b] += factor*given[a, b]
    for s in range(bar_biases.shape[0]):
        # β_s̄ = Ψᵀ e_s̄
        width = mixed_bias.size//Psi.shape[1]
        target = mixed_bias.reshape((Psi.shape[1], width))
        given = bar_biases[s].reshape((Psi.shape[0], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[b, r] += factor*given[a, r]
        given = mixed_bias
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    bar_beta[k, a] += factor*given[a]


def formed_forward_2(
    h, combine, operator_index, bias_index, operators, biases, constants, channels, keep, F1, H,
):
    """h ← h(stop): m_i = A r(u, X h),  u = E_s h + e_s,  E_s = Φ w_s C   (4), (5), (7)."""
    c2 = constants[2]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]
    m = np.empty((stages, h.shape[0], records), h.dtype)
    U = np.empty((biases.shape[1], records), h.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i if keep else 0
            bias = biases[bias_index[n, i]]
            operator = operators[operator_index[n, i]]
            # H_i = α_i h_n + Σ_j γ_ij m_j
            alpha = combine[n, i, 0]
            H_i = H[slot]
            if i == 0 and alpha == 1 and not keep:
                H_i = h
            else:
                target, given = H_i.reshape(h.size), h.reshape(h.size)
                for a in range(h.size):
                    target[a] = alpha*given[a]
                for j in range(i):
                    gamma = combine[n, i, j + 1]
                    if gamma != 0:
                        given = m[j].reshape(h.size)
                        for a in range(h.size):
                            target[a] += gamma*given[a]
            # U = E_s H_i
            np.dot(operator, H_i, U)
            # m_i, F1 at every node and record, u = U + e_s
            for a in range(U.shape[0]):
                for r in range(U.shape[1]):
                    u_q = U[a, r] + bias[a]
                    t0 = np.tanh(u_q)
                    value_M = (c2*t0)
                    m[i][a, r] = value_M
                    value_F1 = t0
                    F1[slot][a, r] = value_F1
        # h_{n+1} = α h_n + Σ_j γ_j m_j
        alpha = combine[n, stages, 0]
        target, given = h.reshape(h.size), h.reshape(h.size)
        if alpha != 1:
            for a in range(h.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = m[j].reshape(h.size)
                for a in range(h.size):
                    target[a] += gamma*given[a]


def formed_adjoint_2(
    bar, combine, operator_index, bias_index, operators, biases, constants, channels, F1, H, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state = bar.shape[0]
    bar_m = np.empty((stages, bar.shape[0], records), bar.dtype)
    bar_h = np.empty((bar.shape[0], records), bar.dtype)
    bar_H = np.empty((bar.shape[0], records), bar.dtype)
    bar_U = np.empty((biases.shape[1], records), bar.dtype)
    for n in range(steps - 1, -1, -1):
        # m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}
        alpha = combine[n, stages, 0]
        target, given = bar_h.reshape(bar.size), bar.reshape(bar.size)
        for a in range(bar.size):
            target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            target = bar_m[j].reshape(bar.size)
            for a in range(bar.size):
                target[a] = gamma*given[a]
        for i in range(stages - 1, -1, -1):
            slot = n*stages + i
            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
            # Ū, e_s̄ at every node and record, f1 = F1, v = m_ī
            for a in range(bar_m[i].shape[0]):
                total = constants[0]
                for r in range(bar_m[i].shape[1]):
                    f1_q = F1[slot][a, r]
                    v_q = bar_m[i][a, r]
                    t0 = f1_q*f1_q
                    t1 = (c2 + (c3*t0))*v_q
                    value_bar_U = t1
                    bar_U[a, r] = value_bar_U
                    total += value_bar_U
                bar_bias[a] += total
            # gradient of E_s: += Ū H_iᵀ, summed over records
            add_dot(bar_U, H[slot].T, bar_operator)
            # H_ī = E_sᵀ Ū
            np.dot(operator.T, bar_U, bar_H)
            # m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i
            alpha = combine[n, i, 0]
            target, given = bar_h.reshape(bar.size), bar_H.reshape(bar.size)
            for a in range(bar.size):
                target[a] += alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    target = bar_m[j].reshape(bar.size)
                    for a in range(bar.size):
                        target[a] += gamma*given[a]
        for a in range(0, state):
            for r in range(records):
                bar[a, r] = bar_h[a, r]


def formed_tangent_2(
    dot, combine, operator_index, bias_index, operators, biases, constants, channels, dot_operators, dot_biases, F1, H,
):
    """dot ← dh(stop), from dh(start) and changes of operators and biases   (7)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, dot.shape[1]
    dot_m = np.empty((stages, dot.shape[0], records), dot.dtype)
    dot_H = np.empty((dot.shape[0], records), dot.dtype)
    dot_U = np.empty((biases.shape[1], records), dot.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i
            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
            # dH_i = α_i dh_n + Σ_j γ_ij dm_j
            alpha = combine[n, i, 0]
            target, given = dot_H.reshape(dot.size), dot.reshape(dot.size)
            for a in range(dot.size):
                target[a] = alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    given = dot_m[j].reshape(dot.size)
                    for a in range(dot.size):
                        target[a] += gamma*given[a]
            # dU = E_s dH_i
            np.dot(operator, dot_H, dot_U)
            # dU += dE_s H_i
            add_dot(dot_operator, H[slot], dot_U)
            # dm_i at every node and record, f1 = F1, v1 = dU + de_s
            for a in range(F1[slot].shape[0]):
                for r in range(F1[slot].shape[1]):
                    f1_q = F1[slot][a, r]
                    v1_q = dot_U[a, r] + dot_bias[a]
                    t0 = f1_q*f1_q
                    value_dot_M = ((c2 + (c3*t0))*v1_q)
                    dot_m[i][a, r] = value_dot_M
        # dh_{n+1} = α dh_n + Σ_j γ_j dm_j
        alpha = combine[n, stages, 0]
        target, given = dot.reshape(dot.size), dot.reshape(dot.size)
        if alpha != 1:
            for a in range(dot.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = dot_m[j].reshape(dot.size)
                for a in range(dot.size):
                    target[a] += gamma*given[a]


def factors_operators_2(w, theta, beta, vartheta, Psi, Psi_runs, constants, channels, operators, biases):
    """w_s = Σ_k θ_k(δ_s) w_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"""
    mixed_bias = np.empty((beta.shape[1],), w.dtype)
    for s in range(operators.shape[0]):
        # Σ_k theta_sk w_k
        target = operators[s]
        target[:] = constants[0]
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    for b in range(target.shape[1]):
                        target[a, b] += factor*w[k, a, b]
    for s in range(biases.shape[0]):
        # Σ_k vartheta_sk beta_k
        target = mixed_bias
        target[:] = constants[0]
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(target.shape[0]):
                    target[a] += factor*beta[k, a]
        # e_s = Ψ β_s
        width = biases[s].size//Psi.shape[0]
        target = biases[s].reshape((Psi.shape[0], width))
        given = mixed_bias.reshape((Psi.shape[1], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[a, r] += factor*given[b, r]


def factors_operators_adjoint_2(
    bar_operators, theta, bar_biases, vartheta, Psi, Psi_runs, constants, channels, bar_w, bar_beta,
):
    """The adjoint of: w_s = Σ_k θ_k(δ_s) w_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)   (11)"""
    mixed_bias = np.empty((bar_beta.shape[1],), bar_w.dtype)
    for s in range(bar_operators.shape[0]):
        given = bar_operators[s]
        for k in range(theta.shape[1]):
            factor = theta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    for b in range(given.shape[1]):
                        bar_w[k, a, b] += factor*given[a, b]
    for s in range(bar_biases.shape[0]):
        # β_s̄ = Ψᵀ e_s̄
        width = mixed_bias.size//Psi.shape[1]
        target = mixed_bias.reshape((Psi.shape[1], width))
        given = bar_biases[s].reshape((Psi.shape[0], width))
        target[:] = constants[0]
        for a in range(Psi.shape[0]):
            for b in range(Psi_runs[a, 0], Psi_runs[a, 1]):
                factor = Psi[a, b]
                for r in range(given.shape[1]):
                    target[b, r] += factor*given[a, r]
        given = mixed_bias
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    bar_beta[k, a] += factor*given[a]


def factors_forward_2(
    h, combine, operator_index, bias_index, operators, biases, Phi, Phi_runs, C, C_runs, constants, channels, keep, F1, G,
):
    """h ← h(stop): m_i = A r(u, X h),  u = Φ (w_s (C h)) + e_s   (4), (5), (7)."""
    c2 = constants[2]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]
    m = np.empty((stages, h.shape[0], records), h.dtype)
    H = np.empty((h.shape[0], records), h.dtype)
    T = np.empty((operators.shape[1], records), h.dtype)
    U = np.empty((biases.shape[1], records), h.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i if keep else 0
            bias = biases[bias_index[n, i]]
            operator = operators[operator_index[n, i]]
            # H_i = α_i h_n + Σ_j γ_ij m_j
            alpha = combine[n, i, 0]
            H_i = H
            if i == 0 and alpha == 1:
                H_i = h
            else:
                target, given = H_i.reshape(h.size), h.reshape(h.size)
                for a in range(h.size):
                    target[a] = alpha*given[a]
                for j in range(i):
                    gamma = combine[n, i, j + 1]
                    if gamma != 0:
                        given = m[j].reshape(h.size)
                        for a in range(h.size):
                            target[a] += gamma*given[a]
            # G = C H_i
            width = G[slot].size//C.shape[0]
            target = G[slot].reshape((C.shape[0], width))
            given = H_i.reshape((C.shape[1], width))
            target[:] = constants[0]
            for a in range(C.shape[0]):
                for b in range(C_runs[a, 0], C_runs[a, 1]):
                    factor = C[a, b]
                    for r in range(given.shape[1]):
                        target[a, r] += factor*given[b, r]
            # T = w_s G
            np.dot(operator, G[slot], T)
            # U = Φ T
            width = U.size//Phi.shape[0]
            target = U.reshape((Phi.shape[0], width))
            given = T.reshape((Phi.shape[1], width))
            target[:] = constants[0]
            for a in range(Phi.shape[0]):
                for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                    factor = Phi[a, b]
                    for r in range(given.shape[1]):
                        target[a, r] += factor*given[b, r]
            # m_i, F1 at every node and record, u = U + e_s
            for a in range(U.shape[0]):
                for r in range(U.shape[1]):
                    u_q = U[a, r] + bias[a]
                    t0 = np.tanh(u_q)
                    value_M = (c2*t0)
                    m[i][a, r] = value_M
                    value_F1 = t0
                    F1[slot][a, r] = value_F1
        # h_{n+1} = α h_n + Σ_j γ_j m_j
        alpha = combine[n, stages, 0]
        target, given = h.reshape(h.size), h.reshape(h.size)
        if alpha != 1:
            for a in range(h.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = m[j].reshape(h.size)
                for a in range(h.size):
                    target[a] += gamma*given[a]


def factors_adjoint_2(
    bar, combine, operator_index, bias_index, operators, biases, Phi, Phi_runs, C, C_runs, constants, channels, F1, G, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state = bar.shape[0]
    bar_m = np.empty((stages, bar.shape[0], records), bar.dtype)
    bar_h = np.empty((bar.shape[0], records), bar.dtype)
    bar_G = np.empty((operators.shape[2], records), bar.dtype)
    bar_H = np.empty((bar.shape[0], records), bar.dtype)
    bar_T = np.empty((operators.shape[1], records), bar.dtype)
    bar_U = np.empty((biases.shape[1], records), bar.dtype)
    for n in range(steps - 1, -1, -1):
        # m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}
        alpha = combine[n, stages, 0]
        target, given = bar_h.reshape(bar.size), bar.reshape(bar.size)
        for a in range(bar.size):
            target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            target = bar_m[j].reshape(bar.size)
            for a in range(bar.size):
                target[a] = gamma*given[a]
        for i in range(stages - 1, -1, -1):
            slot = n*stages + i
            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
            # Ū, e_s̄ at every node and record, f1 = F1, v = m_ī
            for a in range(bar_m[i].shape[0]):
                total = constants[0]
                for r in range(bar_m[i].shape[1]):
                    f1_q = F1[slot][a, r]
                    v_q = bar_m[i][a, r]
                    t0 = f1_q*f1_q
                    t1 = (c2 + (c3*t0))*v_q
                    value_bar_U = t1
                    bar_U[a, r] = value_bar_U
                    total += value_bar_U
                bar_bias[a] += total
            # T̄ = Φᵀ Ū
            width = bar_T.size//Phi.shape[1]
            target = bar_T.reshape((Phi.shape[1], width))
            given = bar_U.reshape((Phi.shape[0], width))
            target[:] = constants[0]
            for a in range(Phi.shape[0]):
                for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                    factor = Phi[a, b]
                    for r in range(given.shape[1]):
                        target[b, r] += factor*given[a, r]
            # gradient of w_s: += T̄ Gᵀ, summed over records
            add_dot(bar_T, G[slot].T, bar_operator)
            # Ḡ = w_sᵀ T̄
            np.dot(operator.T, bar_T, bar_G)
            # H_ī = Cᵀ Ḡ
            width = bar_H.size//C.shape[1]
            target = bar_H.reshape((C.shape[1], width))
            given = bar_G.reshape((C.shape[0], width))
            target[:] = constants[0]
            for a in range(C.shape[0]):
                for b in range(C_runs[a, 0], C_runs[a, 1]):
                    factor = C[a, b]
                    for r in range(given.shape[1]):
                        target[b, r] += factor*given[a, r]
            # m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i
            alpha = combine[n, i, 0]
            target, given = bar_h.reshape(bar.size), bar_H.reshape(bar.size)
            for a in range(bar.size):
                target[a] += alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    target = bar_m[j].reshape(bar.size)
                    for a in range(bar.size):
                        target[a] += gamma*given[a]
        for a in range(0, state):
            for r in range(records):
                bar[a, r] = bar_h[a, r]


def factors_tangent_2(
    dot, combine, operator_index, bias_index, operators, biases, Phi, Phi_runs, C, C_runs, constants, channels, dot_operators, dot_biases, F1, G,
):
    """dot ← dh(stop), from dh(start) and changes of operators and biases   (7)."""
    c2 = constants[2]  # 2
    c3 = constants[3]  # -2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, dot.shape[1]
    dot_m = np.empty((stages, dot.shape[0], records), dot.dtype)
    dot_H = np.empty((dot.shape[0], records), dot.dtype)
    dot_G = np.empty((operators.shape[2], records), dot.dtype)
    dot_T = np.empty((operators.shape[1], records), dot.dtype)
    dot_U = np.empty((biases.shape[1], records), dot.dtype)
    for n in range(steps):
        for i in range(stages):
            slot = n*stages + i
            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
            # dH_i = α_i dh_n + Σ_j γ_ij dm_j
            alpha = combine[n, i, 0]
            target, given = dot_H.reshape(dot.size), dot.reshape(dot.size)
            for a in range(dot.size):
                target[a] = alpha*given[a]
            for j in range(i):
                gamma = combine[n, i, j + 1]
                if gamma != 0:
                    given = dot_m[j].reshape(dot.size)
                    for a in range(dot.size):
                        target[a] += gamma*given[a]
            # dG = C dH_i
            width = dot_G.size//C.shape[0]
            target = dot_G.reshape((C.shape[0], width))
            given = dot_H.reshape((C.shape[1], width))
            target[:] = constants[0]
            for a in range(C.shape[0]):
                for b in range(C_runs[a, 0], C_runs[a, 1]):
                    factor = C[a, b]
                    for r in range(given.shape[1]):
                        target[a, r] += factor*given[b, r]
            # dT = w_s dG
            np.dot(operator, dot_G, dot_T)
            # dT += dw_s G
            add_dot(dot_operator, G[slot], dot_T)
            # dU = Φ dT
            width = dot_U.size//Phi.shape[0]
            target = dot_U.reshape((Phi.shape[0], width))
            given = dot_T.reshape((Phi.shape[1], width))
            target[:] = constants[0]
            for a in range(Phi.shape[0]):
                for b in range(Phi_runs[a, 0], Phi_runs[a, 1]):
                    factor = Phi[a, b]
                    for r in range(given.shape[1]):
                        target[a, r] += factor*given[b, r]
            # dm_i at every node and record, f1 = F1, v1 = dU + de_s
            for a in range(F1[slot].shape[0]):
                for r in range(F1[slot].shape[1]):
                    f1_q = F1[slot][a, r]
                    v1_q = dot_U[a, r] + dot_bias[a]
                    t0 = f1_q*f1_q
                    value_dot_M = ((c2 + (c3*t0))*v1_q)
                    dot_m[i][a, r] = value_dot_M
        # dh_{n+1} = α dh_n + Σ_j γ_j dm_j
        alpha = combine[n, stages, 0]
        target, given = dot.reshape(dot.size), dot.reshape(dot.size)
        if alpha != 1:
            for a in range(dot.size):
                target[a] = alpha*given[a]
        for j in range(stages):
            gamma = combine[n, stages, j + 1]
            if gamma != 0:
                given = dot_m[j].reshape(dot.size)
                for a in range(dot.size):
                    target[a] += gamma*given[a]


def lift(x, lift, h):
    """h = P (x, 1): at every function of the basis, from the coefficients of the records and of 1."""
    # h = P x
    before = x.shape[0]//lift.shape[1]
    width = h.size//(before*lift.shape[0])
    targets = h.reshape((before, lift.shape[0], width))
    givens = x.reshape((before, lift.shape[1], width))
    for lead in range(before):
        target, given = targets[lead], givens[lead]
        np.dot(lift, given, target)


def lift_adjoint(bar_h, x, lift, bar_x, bar_lift):
    """The adjoint of: h = P (x, 1). bar_x is set; the gradient of P is added to."""
    # gradient of P: += h̄ xᵀ, summed over records
    before = x.shape[0]//lift.shape[1]
    width = bar_h.size//(before*lift.shape[0])
    highs = bar_h.reshape((before, lift.shape[0], width))
    lows = x.reshape((before, lift.shape[1], width))
    for lead in range(before):
        high, low = highs[lead], lows[lead]
        add_dot(high, low.T, bar_lift)
    # x̄ = Pᵀ h̄
    before = bar_h.shape[0]//lift.shape[0]
    width = bar_x.size//(before*lift.shape[1])
    targets = bar_x.reshape((before, lift.shape[1], width))
    givens = bar_h.reshape((before, lift.shape[0], width))
    for lead in range(before):
        target, given = targets[lead], givens[lead]
        np.dot(lift.T, given, target)


def readout(y, operator, constant, z):
    """z_k = ∫ R_k(ξ) y(ξ) dξ + a_k: the rows of ``operator`` are the fields R against the state basis."""
    # z = R y + constant
    np.dot(operator, y, z)
    for a in range(z.shape[0]):
        for r in range(z.shape[1]):
            z[a, r] += constant[a]


def readout_adjoint(bar_z, y, operator, bar_y, bar_operator, bar_constant):
    """The adjoint of: z = R y + a. bar_y is set; the gradients of R and a are added to."""
    # gradient of R: += z̄ yᵀ, summed over records
    add_dot(bar_z, y.T, bar_operator)
    # constant̄ += z̄, summed over records
    for a in range(bar_z.shape[0]):
        for r in range(bar_z.shape[1]):
            bar_constant[a] += bar_z[a, r]
    # ȳ = Rᵀ z̄
    np.dot(operator.T, bar_z, bar_y)


def maximum(y, X, weights, sharpness, constants, at_nodes, features):
    """Below y its smooth maxima (1/β) log Σ_q ω_q exp(β y(ξ_q)), one a channel; at_nodes = y(ξ_q)."""
    state, channels, beta = y.shape[0], features.shape[0] - y.shape[0], sharpness[0]
    records = y.shape[1]
    # at_nodes = X y
    width = at_nodes.size//X.shape[0]
    target = at_nodes.reshape((X.shape[0], width))
    given = y.reshape((X.shape[1], width))
    np.dot(X, given, target)
    for a in range(0, state):
        for r in range(records):
            features[a, r] = y[a, r]
    top = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    S_q = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    for c in range(channels):
        for r in range(at_nodes.shape[1]):
            top[c, r] = at_nodes[c, r]  # m rises by a constant that is added to y
    for k in range(weights.shape[0]):
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                top[c, r] = at_nodes[k*channels + c, r] if at_nodes[k*channels + c, r] > top[c, r] else top[c, r]
    for c in range(channels):
        for r in range(at_nodes.shape[1]):
            S_q[c, r] = constants[0]
    for k in range(weights.shape[0]):
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                y_q = at_nodes[k*channels + c, r] - top[c, r]
                omega = weights[k]
                t0 = np.exp((beta*y_q))
                S_q[c, r] += (t0*omega)
    for c in range(channels):
        for r in range(at_nodes.shape[1]):
            t0 = np.log(S_q[c, r])
            features[state + c, r] = ((t0/beta) + top[c, r])


def maximum_adjoint(bar_features, X, weights, sharpness, constants, at_nodes, bar_y):
    """The adjoint of: smooth maxima. bar_y is set; at_nodes becomes m̄ ∂m/∂y_q, the share of node q of m̄."""
    state, channels, beta = bar_y.shape[0], bar_features.shape[0] - bar_y.shape[0], sharpness[0]
    records = bar_y.shape[1]
    top = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    S_q = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    v_q = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    for c in range(channels):
        for r in range(at_nodes.shape[1]):
            top[c, r] = at_nodes[c, r]  # m rises by a constant that is added to y
    for k in range(weights.shape[0]):
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                top[c, r] = at_nodes[k*channels + c, r] if at_nodes[k*channels + c, r] > top[c, r] else top[c, r]
    for c in range(channels):
        for r in range(at_nodes.shape[1]):
            v_q[c, r] = bar_features[state + c, r]
    for c in range(channels):
        for r in range(at_nodes.shape[1]):
            S_q[c, r] = constants[0]
    for k in range(weights.shape[0]):
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                y_q = at_nodes[k*channels + c, r] - top[c, r]
                omega = weights[k]
                t0 = np.exp((beta*y_q))
                S_q[c, r] += (t0*omega)
    for k in range(weights.shape[0]):
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                y_q = at_nodes[k*channels + c, r] - top[c, r]
                omega = weights[k]
                t0 = np.exp((beta*y_q))
                at_nodes[k*channels + c, r] = (((t0/S_q[c, r])*omega)*v_q[c, r])
    for a in range(0, state):
        for r in range(records):
            bar_y[a, r] = bar_features[a, r]
    # ȳ += Xᵀ at_nodes̄
    width = bar_y.size//X.shape[1]
    target = bar_y.reshape((X.shape[1], width))
    given = at_nodes.reshape((X.shape[0], width))
    add_dot(X.T, given, target)


def share(y, X, weights, levels, softness, constants, at_nodes, features):
    """Below y its shares Σ_q ω_q g(y(ξ_q)), level by level one a channel, g a step there; at_nodes = y(ξ_q)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    state, channels, epsilon = y.shape[0], (features.shape[0] - y.shape[0])//levels.shape[0], softness[0]
    records = y.shape[1]
    # at_nodes = X y
    width = at_nodes.size//X.shape[0]
    target = at_nodes.reshape((X.shape[0], width))
    given = y.reshape((X.shape[1], width))
    np.dot(X, given, target)
    for a in range(0, state):
        for r in range(records):
            features[a, r] = y[a, r]
    S_q = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    for i in range(levels.shape[0]):
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                S_q[c, r] = constants[0]
        for k in range(weights.shape[0]):
            for c in range(channels):
                for r in range(at_nodes.shape[1]):
                    y_q = at_nodes[k*channels + c, r]
                    omega = weights[k]
                    level = levels[i]
                    t0 = (((c2*level) + y_q)/epsilon)
                    t1 = c1/(c1 + np.exp(-t0))
                    S_q[c, r] += (omega*t1)
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                features[state + i*channels + c, r] = S_q[c, r]


def share_adjoint(bar_features, X, weights, levels, softness, constants, at_nodes, bar_y):
    """The adjoint of: shares. bar_y is set; at_nodes becomes Σ_l s̄_l ∂s_l/∂y_q."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    state, channels, epsilon = bar_y.shape[0], (bar_features.shape[0] - bar_y.shape[0])//levels.shape[0], softness[0]
    records = bar_y.shape[1]
    S_q = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    y_q = np.empty((channels, at_nodes.shape[1]), at_nodes.dtype)
    for i in range(weights.shape[0]):
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                y_q[c, r] = at_nodes[i*channels + c, r]
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                S_q[c, r] = constants[0]
        for k in range(levels.shape[0]):
            for c in range(channels):
                for r in range(at_nodes.shape[1]):
                    v_q = bar_features[state + k*channels + c, r]
                    level = levels[k]
                    omega = weights[i]
                    t0 = (((c2*level) + y_q[c, r])/epsilon)
                    t1 = c1/(c1 + np.exp(-t0))
                    S_q[c, r] += (((((c1 + (c2*t1))*t1)/epsilon)*omega)*v_q)
        for c in range(channels):
            for r in range(at_nodes.shape[1]):
                at_nodes[i*channels + c, r] = S_q[c, r]
    for a in range(0, state):
        for r in range(records):
            bar_y[a, r] = bar_features[a, r]
    # ȳ += Xᵀ at_nodes̄
    width = bar_y.size//X.shape[1]
    target = bar_y.reshape((X.shape[1], width))
    given = at_nodes.reshape((X.shape[0], width))
    add_dot(X.T, given, target)


def loss(z, target, constants, value, source):
    """L of every record (cross-entropy) and source = ∂L/∂z, from its derivation."""
    c2 = constants[2]  # -1
    for r in range(z.shape[1]):
        top = z[0, r]  # L is unchanged when a constant is added to every output
        for k in range(z.shape[0]):
            top = z[k, r] if z[k, r] > top else top
        sum_hit = constants[0]
        sum_partition = constants[0]
        sum_total = constants[0]
        for k in range(z.shape[0]):
            zk, tk = z[k, r] - top, target[k, r]
            t0 = np.exp(zk)
            sum_hit += (tk*zk)
            sum_partition += t0
            sum_total += tk
        t0 = np.log(sum_partition)
        value[r] = ((c2*sum_hit) + (t0*sum_total))
        for k in range(z.shape[0]):
            zk, tk = z[k, r] - top, target[k, r]
            t0 = np.exp(zk)
            source[k, r] = (((t0*sum_total)/sum_partition) + (c2*tk))


def curvature(z, target, direction, constants, curved):
    """curved = ∂²L/∂z² v of every record (cross-entropy), v the direction, from its derivation."""
    c2 = constants[2]  # -1
    for r in range(z.shape[1]):
        top = z[0, r]  # L is unchanged when a constant is added to every output
        for k in range(z.shape[0]):
            top = z[k, r] if z[k, r] > top else top
        sum_partition = constants[0]
        sum_total = constants[0]
        sum_turn_partition = constants[0]
        for k in range(z.shape[0]):
            zk, tk, vk = z[k, r] - top, target[k, r], direction[k, r]
            t0 = np.exp(zk)
            sum_partition += t0
            sum_total += tk
            sum_turn_partition += (t0*vk)
        for k in range(z.shape[0]):
            zk, tk, vk = z[k, r] - top, target[k, r], direction[k, r]
            t0 = np.exp(zk)
            t1 = sum_partition*sum_partition
            curved[k, r] = (((c2*t0*sum_total*sum_turn_partition)/t1) + ((t0*sum_total*vk)/sum_partition))
