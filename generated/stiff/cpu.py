"""Kernels of the continuum 'stiff'; specification e20ca8d7cfe2.

∂h/∂δ = ρ(u, h),  rate tanh(u) - a*h**3;  u = ∫ W h dξ′ + b   (1), (2)

Written by ``continua generate``; do not edit. The derivation is in derivation.md beside this file.
Rows are (axis · channel), columns are records. Tables, tableau and constants are arguments.
"""

import math  # noqa: F401

import numpy as np


def add_dot(a, b, out):
    """out += a b"""
    out += np.dot(a, b)


def formed_operators_1(w, theta, Phi, C, C_runs, beta, vartheta, Psi, constants, channels, operators, biases):
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
        np.dot(Phi, given, left)
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
        np.dot(Psi, given, target)


def formed_operators_adjoint_1(
    bar_operators, theta, Phi, C, C_runs, bar_biases, vartheta, Psi, constants, channels, bar_w, bar_beta,
):
    """The adjoint of: E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)   (11)"""
    mixed = np.empty((bar_w.shape[1], bar_w.shape[2]), bar_w.dtype)
    mixed_bias = np.empty((bar_beta.shape[1],), bar_w.dtype)
    for s in range(bar_operators.shape[0]):
        rows = bar_operators[s]
        width = rows.size//Phi.shape[0]
        left = np.empty((Phi.shape[1], width), rows.dtype)
        given = rows.reshape((Phi.shape[0], width))
        np.dot(Phi.T, given, left)
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
        np.dot(Psi.T, given, target)
        given = mixed_bias
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    bar_beta[k, a] += factor*given[a]


def formed_forward_1(
    h, combine, operator_index, bias_index, operators, biases, X, A, groups, limits, iterations, cycles, krylov, constants, channels, keep, F1, H, Z, unsolved,
):
    """h ← h(stop): m_i = A r(u, X h),  u = E_s h + e_s,  E_s = Φ w_s C   (4), (5), (7)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -4
    c3 = constants[3]  # -1
    c4 = constants[4]  # -12
    c5 = constants[5]  # 2
    c6 = constants[6]  # 1/1024
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]
    state = h.shape[0]
    m = np.empty((stages, h.shape[0], records), h.dtype)
    R = np.empty((biases.shape[1], records), h.dtype)
    U = np.empty((biases.shape[1], records), h.dtype)
    dot_R = np.empty((biases.shape[1], records), h.dtype)
    dot_U = np.empty((biases.shape[1], records), h.dtype)
    dot_Z = np.empty((biases.shape[1], records), h.dtype)
    given_vector = np.empty((stages*state, records), h.dtype)
    solution = np.empty((stages*state, records), h.dtype)
    image = np.empty((stages*state, records), h.dtype)
    moved = np.empty((stages*state, records), h.dtype)
    known = np.empty((stages*state, records), h.dtype)
    change = np.empty((stages*state, records), h.dtype)
    error_r = np.empty((1, records), h.dtype)
    live_r = np.empty((1, records), h.dtype)
    reach_r = np.empty((1, records), h.dtype)
    last_r = np.empty((1, records), h.dtype)
    factor_r = np.empty((1, records), h.dtype)
    before_r = np.empty((1, records), h.dtype)
    after_r = np.empty((1, records), h.dtype)
    size_r = np.empty((1, records), h.dtype)
    old_r = np.empty((1, records), h.dtype)
    damping_r = np.empty((1, records), h.dtype)
    residue_r = np.empty((1, records), h.dtype)
    dots_r = np.empty((krylov + 1, records), h.dtype)
    cosine_r = np.empty((krylov, records), h.dtype)
    sine_r = np.empty((krylov, records), h.dtype)
    rest_r = np.empty((krylov + 1, records), h.dtype)
    matrix_r = np.empty(((krylov + 1)*krylov, records), h.dtype)
    directions = np.empty((krylov + 1, stages*state, records), h.dtype)
    for n in range(steps):
        for group in range(groups.shape[0]):
            begin, end = groups[group, 0], groups[group, 1]
            # the first guess: what earlier stages say
            for i in range(begin, end):
                slot = n*stages + i if keep else i
                bias = biases[bias_index[n, i]]
                operator = operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        total = combine[n, i, 0]*h[a, r]
                        for j in range(begin):
                            total += combine[n, i, j + 1]*m[j, a, r]
                        known[i*state + a, r] = total
                        H[slot][a, r] = total
            for iteration in range(iterations):
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    bias = biases[bias_index[n, i]]
                    operator = operators[operator_index[n, i]]
                    # U = E_s H_i
                    np.dot(operator, H[slot], U)
                    # Z = X H_i
                    width = Z[slot].size//X.shape[0]
                    target = Z[slot].reshape((X.shape[0], width))
                    given = H[slot].reshape((X.shape[1], width))
                    np.dot(X, given, target)
                    # R, F1 at every node and record, u = U + e_s, h = Z
                    for a in range(U.shape[0]):
                        for r in range(U.shape[1]):
                            u_q = U[a, r] + bias[a]
                            h_q = Z[slot][a, r]
                            t0 = h_q*h_q
                            t1 = h_q*t0
                            t2 = np.tanh(u_q)
                            value_R = ((c2*t1) + t2)
                            R[a, r] = value_R
                            value_F1 = t2
                            F1[slot][a, r] = value_F1
                    # m_i = A R
                    width = m[i].size//A.shape[0]
                    target = m[i].reshape((A.shape[0], width))
                    given = R.reshape((A.shape[1], width))
                    np.dot(A, given, target)
                # residual: α_i h + Σ_j γ_ij m_j − H_i
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    bias = biases[bias_index[n, i]]
                    operator = operators[operator_index[n, i]]
                    for a in range(0, state):
                        for r in range(records):
                            total = known[i*state + a, r]
                            for j in range(begin, end):
                                total += combine[n, i, j + 1]*m[j, a, r]
                            solution[i*state + a, r] = total
                            given_vector[i*state + a, r] = total - H[slot][a, r]
                for r in range(records):
                    error_r[0, r] = c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        error_r[0, r] += given_vector[a, r]*given_vector[a, r]
                for r in range(records):
                    size_r[0, r] = c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        size_r[0, r] += solution[a, r]*solution[a, r]
                for r in range(records):
                    before_r[0, r] = c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        before_r[0, r] += known[a, r]*known[a, r]
                for r in range(records):
                    error_r[0, r] = np.sqrt(error_r[0, r])
                    size_r[0, r] = np.sqrt(size_r[0, r]) + np.sqrt(before_r[0, r])
                    residue_r[0, r] = error_r[0, r]/size_r[0, r] if size_r[0, r] > c0 else error_r[0, r]
                    stuck = iteration > 0 and c5*error_r[0, r] > old_r[0, r] and old_r[0, r] <= limits[2]*size_r[0, r]
                    if not error_r[0, r] > limits[0]*size_r[0, r] or stuck:  # as good as rounding allows
                        damping_r[0, r] = c0
                    elif iteration > 0 and not error_r[0, r] < old_r[0, r]:  # half of the correction; given up when that is nothing
                        damping_r[0, r] = damping_r[0, r]/c5 if damping_r[0, r] > c6 else c0
                    else:
                        old_r[0, r] = error_r[0, r]
                        damping_r[0, r] = c1
                    live_r[0, r] = c1 if damping_r[0, r] > c0 else c0
                wanted = 0
                for r in range(records):
                    if live_r[0, r] == c1:
                        wanted = 1
                if not wanted:
                    break
                for a in range(begin*state, end*state):
                    for r in range(records):
                        given_vector[a, r] *= c1 if damping_r[0, r] == c1 else c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        solution[a, r] = c0
                for cycle in range(cycles):
                    for a in range(begin*state, end*state):
                        for r in range(records):
                            directions[0, a, r] = solution[a, r]
                    used = 0
                    for step in range(krylov + 1):
                        k = max(step - 1, 0)
                        if step > 0 or cycle > 0:
                            for i in range(begin, end):
                                slot = n*stages + i if keep else i
                                bias = biases[bias_index[n, i]]
                                operator = operators[operator_index[n, i]]
                                # dU = E_s dH_i
                                np.dot(operator, directions[k, i*state:(i + 1)*state], dot_U)
                                # dZ = X dH_i
                                width = dot_Z.size//X.shape[0]
                                target = dot_Z.reshape((X.shape[0], width))
                                given = directions[k, i*state:(i + 1)*state].reshape((X.shape[1], width))
                                np.dot(X, given, target)
                                # dR at every node and record, h = Z, f1 = F1, v1 = dU, v2 = dZ
                                for a in range(Z[slot].shape[0]):
                                    for r in range(Z[slot].shape[1]):
                                        h_q = Z[slot][a, r]
                                        f1_q = F1[slot][a, r]
                                        v1_q = dot_U[a, r]
                                        v2_q = dot_Z[a, r]
                                        t0 = f1_q*f1_q
                                        t1 = h_q*h_q
                                        value_dot_R = (((c1 + (c3*t0))*v1_q) + ((c4*t1)*v2_q))
                                        dot_R[a, r] = value_dot_R
                                # dm_i = A dR
                                width = moved[i*state:(i + 1)*state].size//A.shape[0]
                                target = moved[i*state:(i + 1)*state].reshape((A.shape[0], width))
                                given = dot_R.reshape((A.shape[1], width))
                                np.dot(A, given, target)
                            for i in range(begin, end):
                                slot = n*stages + i if keep else i
                                bias = biases[bias_index[n, i]]
                                operator = operators[operator_index[n, i]]
                                for a in range(0, state):
                                    for r in range(records):
                                        total = directions[k, i*state + a, r]
                                        for j in range(begin, end):
                                            total -= combine[n, i, j + 1]*moved[j*state + a, r]
                                        image[i*state + a, r] = total
                        if step == 0:  # what is left of the right side
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    value = given_vector[a, r]
                                    if cycle > 0:
                                        value -= image[a, r]
                                    directions[0, a, r] = value
                            for r in range(records):
                                error_r[0, r] = c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    error_r[0, r] += directions[0, a, r]*directions[0, a, r]
                            for r in range(records):
                                error_r[0, r] = np.sqrt(error_r[0, r])
                                if cycle == 0:
                                    reach_r[0, r] = limits[1]*error_r[0, r]
                                    last_r[0, r] = c5*error_r[0, r] + error_r[0, r]
                                live_r[0, r] = c1 if error_r[0, r] > reach_r[0, r] and c5*error_r[0, r] < last_r[0, r] else c0
                                last_r[0, r] = error_r[0, r]
                                rest_r[0, r] = error_r[0, r]
                                factor_r[0, r] = c1/error_r[0, r] if live_r[0, r] == c1 else c0
                            wanted = 0
                            for r in range(records):
                                if live_r[0, r] == c1:
                                    wanted = 1
                            if not wanted:
                                break
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    directions[0, a, r] *= factor_r[0, r]
                        else:
                            for r in range(records):
                                before_r[0, r] = c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    before_r[0, r] += image[a, r]*image[a, r]
                            for r in range(records):
                                for j in range(k + 2):
                                    matrix_r[j*krylov + k, r] = c0
                            for repeat in range(2):
                                for j in range(k + 1):
                                    for r in range(records):
                                        dots_r[j, r] = c0
                                    for a in range(begin*state, end*state):
                                        for r in range(records):
                                            dots_r[j, r] += directions[j, a, r]*image[a, r]
                                for j in range(k + 1):
                                    for a in range(begin*state, end*state):
                                        for r in range(records):
                                            image[a, r] -= dots_r[j, r]*directions[j, a, r]
                                for r in range(records):
                                    for j in range(k + 1):
                                        matrix_r[j*krylov + k, r] += dots_r[j, r]
                            for r in range(records):
                                after_r[0, r] = c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    after_r[0, r] += image[a, r]*image[a, r]
                            for r in range(records):
                                after_r[0, r] = np.sqrt(after_r[0, r])
                                if not after_r[0, r] > limits[0]*np.sqrt(before_r[0, r]):  # nothing new: the directions span the solution
                                    after_r[0, r] = c0
                                factor_r[0, r] = c1/after_r[0, r] if after_r[0, r] > c0 else c0
                                for j in range(k):
                                    above, below = matrix_r[j*krylov + k, r], matrix_r[(j + 1)*krylov + k, r]
                                    matrix_r[j*krylov + k, r] = cosine_r[j, r]*above + sine_r[j, r]*below
                                    matrix_r[(j + 1)*krylov + k, r] = cosine_r[j, r]*below - sine_r[j, r]*above
                                above = matrix_r[k*krylov + k, r]
                                length = np.sqrt(above*above + after_r[0, r]*after_r[0, r])
                                cosine_r[k, r] = above/length if length > c0 else c1
                                sine_r[k, r] = after_r[0, r]/length if length > c0 else c0
                                matrix_r[k*krylov + k, r] = length
                                rest_r[k + 1, r] = -sine_r[k, r]*rest_r[k, r]
                                rest_r[k, r] = cosine_r[k, r]*rest_r[k, r]
                                live_r[0, r] = c1 if np.abs(rest_r[k + 1, r]) > reach_r[0, r] else c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    directions[k + 1, a, r] = factor_r[0, r]*image[a, r]
                            used = k + 1
                            wanted = 0
                            for r in range(records):
                                if live_r[0, r] == c1:
                                    wanted = 1
                            if not wanted:
                                break
                    if used == 0:
                        break
                    for r in range(records):
                        for back in range(used):
                            j = used - 1 - back
                            total = rest_r[j, r]
                            for l in range(j + 1, used):
                                total -= matrix_r[j*krylov + l, r]*dots_r[l, r]
                            pivot = matrix_r[j*krylov + j, r]
                            dots_r[j, r] = total/pivot if pivot != c0 else c0
                    for j in range(used):
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                solution[a, r] += dots_r[j, r]*directions[j, a, r]
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    bias = biases[bias_index[n, i]]
                    operator = operators[operator_index[n, i]]
                    for a in range(0, state):
                        for r in range(records):
                            if damping_r[0, r] == c1:
                                change[i*state + a, r] = solution[i*state + a, r]
                                H[slot][a, r] += solution[i*state + a, r]
                            elif damping_r[0, r] > c0:
                                H[slot][a, r] -= damping_r[0, r]*change[i*state + a, r]
            for r in range(records):
                if not residue_r[0, r] <= unsolved[r]:
                    unsolved[r] = residue_r[0, r]
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
    bar, combine, operator_index, bias_index, operators, biases, X, A, groups, limits, iterations, cycles, krylov, constants, channels, F1, H, Z, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    c3 = constants[3]  # -12
    c4 = constants[4]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state = bar.shape[0]
    bar_m = np.empty((stages, bar.shape[0], records), bar.dtype)
    bar_h = np.empty((bar.shape[0], records), bar.dtype)
    bar_H = np.empty((bar.shape[0], records), bar.dtype)
    bar_R = np.empty((biases.shape[1], records), bar.dtype)
    bar_U = np.empty((biases.shape[1], records), bar.dtype)
    bar_Z = np.empty((biases.shape[1], records), bar.dtype)
    given_vector = np.empty((stages*state, records), bar.dtype)
    solution = np.empty((stages*state, records), bar.dtype)
    image = np.empty((stages*state, records), bar.dtype)
    moved = np.empty((stages*state, records), bar.dtype)
    error_r = np.empty((1, records), bar.dtype)
    live_r = np.empty((1, records), bar.dtype)
    reach_r = np.empty((1, records), bar.dtype)
    last_r = np.empty((1, records), bar.dtype)
    factor_r = np.empty((1, records), bar.dtype)
    before_r = np.empty((1, records), bar.dtype)
    after_r = np.empty((1, records), bar.dtype)
    dots_r = np.empty((krylov + 1, records), bar.dtype)
    cosine_r = np.empty((krylov, records), bar.dtype)
    sine_r = np.empty((krylov, records), bar.dtype)
    rest_r = np.empty((krylov + 1, records), bar.dtype)
    matrix_r = np.empty(((krylov + 1)*krylov, records), bar.dtype)
    directions = np.empty((krylov + 1, stages*state, records), bar.dtype)
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
        for group in range(groups.shape[0] - 1, -1, -1):
            begin, end = groups[group, 0], groups[group, 1]
            for i in range(begin, end):
                slot = n*stages + i
                bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        given_vector[i*state + a, r] = bar_m[i, a, r]
            for a in range(begin*state, end*state):
                for r in range(records):
                    solution[a, r] = c0
            for cycle in range(cycles):
                for a in range(begin*state, end*state):
                    for r in range(records):
                        directions[0, a, r] = solution[a, r]
                used = 0
                for step in range(krylov + 1):
                    k = max(step - 1, 0)
                    if step > 0 or cycle > 0:
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                            # R̄ = Aᵀ m_ī
                            width = bar_R.size//A.shape[1]
                            target = bar_R.reshape((A.shape[1], width))
                            given = directions[k, i*state:(i + 1)*state].reshape((A.shape[0], width))
                            np.dot(A.T, given, target)
                            # Ū, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                            for a in range(bar_R.shape[0]):
                                for r in range(bar_R.shape[1]):
                                    h_q = Z[slot][a, r]
                                    f1_q = F1[slot][a, r]
                                    v_q = bar_R[a, r]
                                    t0 = f1_q*f1_q
                                    t1 = h_q*h_q
                                    value_bar_U = ((c1 + (c2*t0))*v_q)
                                    bar_U[a, r] = value_bar_U
                                    value_bar_Z = ((c3*t1)*v_q)
                                    bar_Z[a, r] = value_bar_Z
                            # H_ī = Xᵀ Z̄
                            width = moved[i*state:(i + 1)*state].size//X.shape[1]
                            target = moved[i*state:(i + 1)*state].reshape((X.shape[1], width))
                            given = bar_Z.reshape((X.shape[0], width))
                            np.dot(X.T, given, target)
                            # H_ī += E_sᵀ Ū
                            add_dot(operator.T, bar_U, moved[i*state:(i + 1)*state])
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                            for a in range(0, state):
                                for r in range(records):
                                    total = directions[k, i*state + a, r]
                                    for j in range(begin, end):
                                        total -= combine[n, j, i + 1]*moved[j*state + a, r]
                                    image[i*state + a, r] = total
                    if step == 0:  # what is left of the right side
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                value = given_vector[a, r]
                                if cycle > 0:
                                    value -= image[a, r]
                                directions[0, a, r] = value
                        for r in range(records):
                            error_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                error_r[0, r] += directions[0, a, r]*directions[0, a, r]
                        for r in range(records):
                            error_r[0, r] = np.sqrt(error_r[0, r])
                            if cycle == 0:
                                reach_r[0, r] = limits[3]*error_r[0, r]
                                last_r[0, r] = c4*error_r[0, r] + error_r[0, r]
                            live_r[0, r] = c1 if error_r[0, r] > reach_r[0, r] and c4*error_r[0, r] < last_r[0, r] else c0
                            last_r[0, r] = error_r[0, r]
                            rest_r[0, r] = error_r[0, r]
                            factor_r[0, r] = c1/error_r[0, r] if live_r[0, r] == c1 else c0
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[0, a, r] *= factor_r[0, r]
                    else:
                        for r in range(records):
                            before_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                before_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            for j in range(k + 2):
                                matrix_r[j*krylov + k, r] = c0
                        for repeat in range(2):
                            for j in range(k + 1):
                                for r in range(records):
                                    dots_r[j, r] = c0
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        dots_r[j, r] += directions[j, a, r]*image[a, r]
                            for j in range(k + 1):
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        image[a, r] -= dots_r[j, r]*directions[j, a, r]
                            for r in range(records):
                                for j in range(k + 1):
                                    matrix_r[j*krylov + k, r] += dots_r[j, r]
                        for r in range(records):
                            after_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                after_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            after_r[0, r] = np.sqrt(after_r[0, r])
                            if not after_r[0, r] > limits[0]*np.sqrt(before_r[0, r]):  # nothing new: the directions span the solution
                                after_r[0, r] = c0
                            factor_r[0, r] = c1/after_r[0, r] if after_r[0, r] > c0 else c0
                            for j in range(k):
                                above, below = matrix_r[j*krylov + k, r], matrix_r[(j + 1)*krylov + k, r]
                                matrix_r[j*krylov + k, r] = cosine_r[j, r]*above + sine_r[j, r]*below
                                matrix_r[(j + 1)*krylov + k, r] = cosine_r[j, r]*below - sine_r[j, r]*above
                            above = matrix_r[k*krylov + k, r]
                            length = np.sqrt(above*above + after_r[0, r]*after_r[0, r])
                            cosine_r[k, r] = above/length if length > c0 else c1
                            sine_r[k, r] = after_r[0, r]/length if length > c0 else c0
                            matrix_r[k*krylov + k, r] = length
                            rest_r[k + 1, r] = -sine_r[k, r]*rest_r[k, r]
                            rest_r[k, r] = cosine_r[k, r]*rest_r[k, r]
                            live_r[0, r] = c1 if np.abs(rest_r[k + 1, r]) > reach_r[0, r] else c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[k + 1, a, r] = factor_r[0, r]*image[a, r]
                        used = k + 1
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                if used == 0:
                    break
                for r in range(records):
                    for back in range(used):
                        j = used - 1 - back
                        total = rest_r[j, r]
                        for l in range(j + 1, used):
                            total -= matrix_r[j*krylov + l, r]*dots_r[l, r]
                        pivot = matrix_r[j*krylov + j, r]
                        dots_r[j, r] = total/pivot if pivot != c0 else c0
                for j in range(used):
                    for a in range(begin*state, end*state):
                        for r in range(records):
                            solution[a, r] += dots_r[j, r]*directions[j, a, r]
            for i in range(begin, end):
                slot = n*stages + i
                bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        bar_m[i, a, r] = solution[i*state + a, r]
            for i in range(end - 1, begin - 1, -1):
                slot = n*stages + i
                bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                # R̄ = Aᵀ m_ī
                width = bar_R.size//A.shape[1]
                target = bar_R.reshape((A.shape[1], width))
                given = bar_m[i].reshape((A.shape[0], width))
                np.dot(A.T, given, target)
                # Ū, e_s̄, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                for a in range(bar_R.shape[0]):
                    total = constants[0]
                    for r in range(bar_R.shape[1]):
                        h_q = Z[slot][a, r]
                        f1_q = F1[slot][a, r]
                        v_q = bar_R[a, r]
                        t0 = f1_q*f1_q
                        t1 = (c1 + (c2*t0))*v_q
                        t2 = h_q*h_q
                        value_bar_U = t1
                        bar_U[a, r] = value_bar_U
                        total += value_bar_U
                        value_bar_Z = ((c3*t2)*v_q)
                        bar_Z[a, r] = value_bar_Z
                    bar_bias[a] += total
                # H_ī = Xᵀ Z̄
                width = bar_H.size//X.shape[1]
                target = bar_H.reshape((X.shape[1], width))
                given = bar_Z.reshape((X.shape[0], width))
                np.dot(X.T, given, target)
                # gradient of E_s: += Ū H_iᵀ, summed over records
                add_dot(bar_U, H[slot].T, bar_operator)
                # H_ī += E_sᵀ Ū
                add_dot(operator.T, bar_U, bar_H)
                # m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i
                alpha = combine[n, i, 0]
                target, given = bar_h.reshape(bar.size), bar_H.reshape(bar.size)
                for a in range(bar.size):
                    target[a] += alpha*given[a]
                for j in range(begin):
                    gamma = combine[n, i, j + 1]
                    if gamma != 0:
                        target = bar_m[j].reshape(bar.size)
                        for a in range(bar.size):
                            target[a] += gamma*given[a]
        for a in range(0, state):
            for r in range(records):
                bar[a, r] = bar_h[a, r]


def formed_tangent_1(
    dot, combine, operator_index, bias_index, operators, biases, X, A, groups, limits, iterations, cycles, krylov, constants, channels, dot_operators, dot_biases, F1, H, Z,
):
    """dot ← dh(stop), from dh(start) and changes of operators and biases   (7)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    c3 = constants[3]  # -12
    c4 = constants[4]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, dot.shape[1]
    state = dot.shape[0]
    dot_m = np.empty((stages, dot.shape[0], records), dot.dtype)
    dot_R = np.empty((biases.shape[1], records), dot.dtype)
    dot_U = np.empty((biases.shape[1], records), dot.dtype)
    dot_Z = np.empty((biases.shape[1], records), dot.dtype)
    given_vector = np.empty((stages*state, records), dot.dtype)
    solution = np.empty((stages*state, records), dot.dtype)
    image = np.empty((stages*state, records), dot.dtype)
    moved = np.empty((stages*state, records), dot.dtype)
    error_r = np.empty((1, records), dot.dtype)
    live_r = np.empty((1, records), dot.dtype)
    reach_r = np.empty((1, records), dot.dtype)
    last_r = np.empty((1, records), dot.dtype)
    factor_r = np.empty((1, records), dot.dtype)
    before_r = np.empty((1, records), dot.dtype)
    after_r = np.empty((1, records), dot.dtype)
    dots_r = np.empty((krylov + 1, records), dot.dtype)
    cosine_r = np.empty((krylov, records), dot.dtype)
    sine_r = np.empty((krylov, records), dot.dtype)
    rest_r = np.empty((krylov + 1, records), dot.dtype)
    matrix_r = np.empty(((krylov + 1)*krylov, records), dot.dtype)
    directions = np.empty((krylov + 1, stages*state, records), dot.dtype)
    for n in range(steps):
        for group in range(groups.shape[0]):
            begin, end = groups[group, 0], groups[group, 1]
            for a in range(begin*state, end*state):
                for r in range(records):
                    solution[a, r] = c0
            for i in range(begin, end):
                slot = n*stages + i
                bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                # dU = E_s dH_i
                np.dot(operator, solution[i*state:(i + 1)*state], dot_U)
                # dU += dE_s H_i
                add_dot(dot_operator, H[slot], dot_U)
                # dZ = X dH_i
                width = dot_Z.size//X.shape[0]
                target = dot_Z.reshape((X.shape[0], width))
                given = solution[i*state:(i + 1)*state].reshape((X.shape[1], width))
                np.dot(X, given, target)
                # dR at every node and record, h = Z, f1 = F1, v1 = dU + de_s, v2 = dZ
                for a in range(Z[slot].shape[0]):
                    for r in range(Z[slot].shape[1]):
                        h_q = Z[slot][a, r]
                        f1_q = F1[slot][a, r]
                        v1_q = dot_U[a, r] + dot_bias[a]
                        v2_q = dot_Z[a, r]
                        t0 = f1_q*f1_q
                        t1 = h_q*h_q
                        value_dot_R = (((c1 + (c2*t0))*v1_q) + ((c3*t1)*v2_q))
                        dot_R[a, r] = value_dot_R
                # dm_i = A dR
                width = moved[i*state:(i + 1)*state].size//A.shape[0]
                target = moved[i*state:(i + 1)*state].reshape((A.shape[0], width))
                given = dot_R.reshape((A.shape[1], width))
                np.dot(A, given, target)
            for i in range(begin, end):
                slot = n*stages + i
                bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        total = combine[n, i, 0]*dot[a, r]
                        for j in range(begin):
                            total += combine[n, i, j + 1]*dot_m[j, a, r]
                        for j in range(begin, end):
                            total += combine[n, i, j + 1]*moved[j*state + a, r]
                        given_vector[i*state + a, r] = total
            for a in range(begin*state, end*state):
                for r in range(records):
                    solution[a, r] = c0
            for cycle in range(cycles):
                for a in range(begin*state, end*state):
                    for r in range(records):
                        directions[0, a, r] = solution[a, r]
                used = 0
                for step in range(krylov + 1):
                    k = max(step - 1, 0)
                    if step > 0 or cycle > 0:
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                            # dU = E_s dH_i
                            np.dot(operator, directions[k, i*state:(i + 1)*state], dot_U)
                            # dZ = X dH_i
                            width = dot_Z.size//X.shape[0]
                            target = dot_Z.reshape((X.shape[0], width))
                            given = directions[k, i*state:(i + 1)*state].reshape((X.shape[1], width))
                            np.dot(X, given, target)
                            # dR at every node and record, h = Z, f1 = F1, v1 = dU, v2 = dZ
                            for a in range(Z[slot].shape[0]):
                                for r in range(Z[slot].shape[1]):
                                    h_q = Z[slot][a, r]
                                    f1_q = F1[slot][a, r]
                                    v1_q = dot_U[a, r]
                                    v2_q = dot_Z[a, r]
                                    t0 = f1_q*f1_q
                                    t1 = h_q*h_q
                                    value_dot_R = (((c1 + (c2*t0))*v1_q) + ((c3*t1)*v2_q))
                                    dot_R[a, r] = value_dot_R
                            # dm_i = A dR
                            width = moved[i*state:(i + 1)*state].size//A.shape[0]
                            target = moved[i*state:(i + 1)*state].reshape((A.shape[0], width))
                            given = dot_R.reshape((A.shape[1], width))
                            np.dot(A, given, target)
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                            for a in range(0, state):
                                for r in range(records):
                                    total = directions[k, i*state + a, r]
                                    for j in range(begin, end):
                                        total -= combine[n, i, j + 1]*moved[j*state + a, r]
                                    image[i*state + a, r] = total
                    if step == 0:  # what is left of the right side
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                value = given_vector[a, r]
                                if cycle > 0:
                                    value -= image[a, r]
                                directions[0, a, r] = value
                        for r in range(records):
                            error_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                error_r[0, r] += directions[0, a, r]*directions[0, a, r]
                        for r in range(records):
                            error_r[0, r] = np.sqrt(error_r[0, r])
                            if cycle == 0:
                                reach_r[0, r] = limits[3]*error_r[0, r]
                                last_r[0, r] = c4*error_r[0, r] + error_r[0, r]
                            live_r[0, r] = c1 if error_r[0, r] > reach_r[0, r] and c4*error_r[0, r] < last_r[0, r] else c0
                            last_r[0, r] = error_r[0, r]
                            rest_r[0, r] = error_r[0, r]
                            factor_r[0, r] = c1/error_r[0, r] if live_r[0, r] == c1 else c0
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[0, a, r] *= factor_r[0, r]
                    else:
                        for r in range(records):
                            before_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                before_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            for j in range(k + 2):
                                matrix_r[j*krylov + k, r] = c0
                        for repeat in range(2):
                            for j in range(k + 1):
                                for r in range(records):
                                    dots_r[j, r] = c0
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        dots_r[j, r] += directions[j, a, r]*image[a, r]
                            for j in range(k + 1):
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        image[a, r] -= dots_r[j, r]*directions[j, a, r]
                            for r in range(records):
                                for j in range(k + 1):
                                    matrix_r[j*krylov + k, r] += dots_r[j, r]
                        for r in range(records):
                            after_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                after_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            after_r[0, r] = np.sqrt(after_r[0, r])
                            if not after_r[0, r] > limits[0]*np.sqrt(before_r[0, r]):  # nothing new: the directions span the solution
                                after_r[0, r] = c0
                            factor_r[0, r] = c1/after_r[0, r] if after_r[0, r] > c0 else c0
                            for j in range(k):
                                above, below = matrix_r[j*krylov + k, r], matrix_r[(j + 1)*krylov + k, r]
                                matrix_r[j*krylov + k, r] = cosine_r[j, r]*above + sine_r[j, r]*below
                                matrix_r[(j + 1)*krylov + k, r] = cosine_r[j, r]*below - sine_r[j, r]*above
                            above = matrix_r[k*krylov + k, r]
                            length = np.sqrt(above*above + after_r[0, r]*after_r[0, r])
                            cosine_r[k, r] = above/length if length > c0 else c1
                            sine_r[k, r] = after_r[0, r]/length if length > c0 else c0
                            matrix_r[k*krylov + k, r] = length
                            rest_r[k + 1, r] = -sine_r[k, r]*rest_r[k, r]
                            rest_r[k, r] = cosine_r[k, r]*rest_r[k, r]
                            live_r[0, r] = c1 if np.abs(rest_r[k + 1, r]) > reach_r[0, r] else c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[k + 1, a, r] = factor_r[0, r]*image[a, r]
                        used = k + 1
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                if used == 0:
                    break
                for r in range(records):
                    for back in range(used):
                        j = used - 1 - back
                        total = rest_r[j, r]
                        for l in range(j + 1, used):
                            total -= matrix_r[j*krylov + l, r]*dots_r[l, r]
                        pivot = matrix_r[j*krylov + j, r]
                        dots_r[j, r] = total/pivot if pivot != c0 else c0
                for j in range(used):
                    for a in range(begin*state, end*state):
                        for r in range(records):
                            solution[a, r] += dots_r[j, r]*directions[j, a, r]
            for i in range(begin, end):
                slot = n*stages + i
                bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                # dU = E_s dH_i
                np.dot(operator, solution[i*state:(i + 1)*state], dot_U)
                # dU += dE_s H_i
                add_dot(dot_operator, H[slot], dot_U)
                # dZ = X dH_i
                width = dot_Z.size//X.shape[0]
                target = dot_Z.reshape((X.shape[0], width))
                given = solution[i*state:(i + 1)*state].reshape((X.shape[1], width))
                np.dot(X, given, target)
                # dR at every node and record, h = Z, f1 = F1, v1 = dU + de_s, v2 = dZ
                for a in range(Z[slot].shape[0]):
                    for r in range(Z[slot].shape[1]):
                        h_q = Z[slot][a, r]
                        f1_q = F1[slot][a, r]
                        v1_q = dot_U[a, r] + dot_bias[a]
                        v2_q = dot_Z[a, r]
                        t0 = f1_q*f1_q
                        t1 = h_q*h_q
                        value_dot_R = (((c1 + (c2*t0))*v1_q) + ((c3*t1)*v2_q))
                        dot_R[a, r] = value_dot_R
                # dm_i = A dR
                width = dot_m[i].size//A.shape[0]
                target = dot_m[i].reshape((A.shape[0], width))
                given = dot_R.reshape((A.shape[1], width))
                np.dot(A, given, target)
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


def factors_operators_1(w, theta, beta, vartheta, Psi, constants, channels, operators, biases):
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
        np.dot(Psi, given, target)


def factors_operators_adjoint_1(
    bar_operators, theta, bar_biases, vartheta, Psi, constants, channels, bar_w, bar_beta,
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
        np.dot(Psi.T, given, target)
        given = mixed_bias
        for k in range(vartheta.shape[1]):
            factor = vartheta[s, k]
            if factor != 0:
                for a in range(given.shape[0]):
                    bar_beta[k, a] += factor*given[a]


def factors_forward_1(
    h, combine, operator_index, bias_index, operators, biases, Phi, C, C_runs, X, A, groups, limits, iterations, cycles, krylov, constants, channels, keep, F1, G, Z, unsolved,
):
    """h ← h(stop): m_i = A r(u, X h),  u = Φ (w_s (C h)) + e_s   (4), (5), (7)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -4
    c3 = constants[3]  # -1
    c4 = constants[4]  # -12
    c5 = constants[5]  # 2
    c6 = constants[6]  # 1/1024
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]
    state = h.shape[0]
    m = np.empty((stages, h.shape[0], records), h.dtype)
    H = np.empty((stages, h.shape[0], records), h.dtype)
    R = np.empty((biases.shape[1], records), h.dtype)
    T = np.empty((operators.shape[1], records), h.dtype)
    U = np.empty((biases.shape[1], records), h.dtype)
    dot_G = np.empty((operators.shape[2], records), h.dtype)
    dot_R = np.empty((biases.shape[1], records), h.dtype)
    dot_T = np.empty((operators.shape[1], records), h.dtype)
    dot_U = np.empty((biases.shape[1], records), h.dtype)
    dot_Z = np.empty((biases.shape[1], records), h.dtype)
    given_vector = np.empty((stages*state, records), h.dtype)
    solution = np.empty((stages*state, records), h.dtype)
    image = np.empty((stages*state, records), h.dtype)
    moved = np.empty((stages*state, records), h.dtype)
    known = np.empty((stages*state, records), h.dtype)
    change = np.empty((stages*state, records), h.dtype)
    error_r = np.empty((1, records), h.dtype)
    live_r = np.empty((1, records), h.dtype)
    reach_r = np.empty((1, records), h.dtype)
    last_r = np.empty((1, records), h.dtype)
    factor_r = np.empty((1, records), h.dtype)
    before_r = np.empty((1, records), h.dtype)
    after_r = np.empty((1, records), h.dtype)
    size_r = np.empty((1, records), h.dtype)
    old_r = np.empty((1, records), h.dtype)
    damping_r = np.empty((1, records), h.dtype)
    residue_r = np.empty((1, records), h.dtype)
    dots_r = np.empty((krylov + 1, records), h.dtype)
    cosine_r = np.empty((krylov, records), h.dtype)
    sine_r = np.empty((krylov, records), h.dtype)
    rest_r = np.empty((krylov + 1, records), h.dtype)
    matrix_r = np.empty(((krylov + 1)*krylov, records), h.dtype)
    directions = np.empty((krylov + 1, stages*state, records), h.dtype)
    for n in range(steps):
        for group in range(groups.shape[0]):
            begin, end = groups[group, 0], groups[group, 1]
            # the first guess: what earlier stages say
            for i in range(begin, end):
                slot = n*stages + i if keep else i
                bias = biases[bias_index[n, i]]
                operator = operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        total = combine[n, i, 0]*h[a, r]
                        for j in range(begin):
                            total += combine[n, i, j + 1]*m[j, a, r]
                        known[i*state + a, r] = total
                        H[i][a, r] = total
            for iteration in range(iterations):
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    bias = biases[bias_index[n, i]]
                    operator = operators[operator_index[n, i]]
                    # G = C H_i
                    width = G[slot].size//C.shape[0]
                    target = G[slot].reshape((C.shape[0], width))
                    given = H[i].reshape((C.shape[1], width))
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
                    np.dot(Phi, given, target)
                    # Z = X H_i
                    width = Z[slot].size//X.shape[0]
                    target = Z[slot].reshape((X.shape[0], width))
                    given = H[i].reshape((X.shape[1], width))
                    np.dot(X, given, target)
                    # R, F1 at every node and record, u = U + e_s, h = Z
                    for a in range(U.shape[0]):
                        for r in range(U.shape[1]):
                            u_q = U[a, r] + bias[a]
                            h_q = Z[slot][a, r]
                            t0 = h_q*h_q
                            t1 = h_q*t0
                            t2 = np.tanh(u_q)
                            value_R = ((c2*t1) + t2)
                            R[a, r] = value_R
                            value_F1 = t2
                            F1[slot][a, r] = value_F1
                    # m_i = A R
                    width = m[i].size//A.shape[0]
                    target = m[i].reshape((A.shape[0], width))
                    given = R.reshape((A.shape[1], width))
                    np.dot(A, given, target)
                # residual: α_i h + Σ_j γ_ij m_j − H_i
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    bias = biases[bias_index[n, i]]
                    operator = operators[operator_index[n, i]]
                    for a in range(0, state):
                        for r in range(records):
                            total = known[i*state + a, r]
                            for j in range(begin, end):
                                total += combine[n, i, j + 1]*m[j, a, r]
                            solution[i*state + a, r] = total
                            given_vector[i*state + a, r] = total - H[i][a, r]
                for r in range(records):
                    error_r[0, r] = c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        error_r[0, r] += given_vector[a, r]*given_vector[a, r]
                for r in range(records):
                    size_r[0, r] = c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        size_r[0, r] += solution[a, r]*solution[a, r]
                for r in range(records):
                    before_r[0, r] = c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        before_r[0, r] += known[a, r]*known[a, r]
                for r in range(records):
                    error_r[0, r] = np.sqrt(error_r[0, r])
                    size_r[0, r] = np.sqrt(size_r[0, r]) + np.sqrt(before_r[0, r])
                    residue_r[0, r] = error_r[0, r]/size_r[0, r] if size_r[0, r] > c0 else error_r[0, r]
                    stuck = iteration > 0 and c5*error_r[0, r] > old_r[0, r] and old_r[0, r] <= limits[2]*size_r[0, r]
                    if not error_r[0, r] > limits[0]*size_r[0, r] or stuck:  # as good as rounding allows
                        damping_r[0, r] = c0
                    elif iteration > 0 and not error_r[0, r] < old_r[0, r]:  # half of the correction; given up when that is nothing
                        damping_r[0, r] = damping_r[0, r]/c5 if damping_r[0, r] > c6 else c0
                    else:
                        old_r[0, r] = error_r[0, r]
                        damping_r[0, r] = c1
                    live_r[0, r] = c1 if damping_r[0, r] > c0 else c0
                wanted = 0
                for r in range(records):
                    if live_r[0, r] == c1:
                        wanted = 1
                if not wanted:
                    break
                for a in range(begin*state, end*state):
                    for r in range(records):
                        given_vector[a, r] *= c1 if damping_r[0, r] == c1 else c0
                for a in range(begin*state, end*state):
                    for r in range(records):
                        solution[a, r] = c0
                for cycle in range(cycles):
                    for a in range(begin*state, end*state):
                        for r in range(records):
                            directions[0, a, r] = solution[a, r]
                    used = 0
                    for step in range(krylov + 1):
                        k = max(step - 1, 0)
                        if step > 0 or cycle > 0:
                            for i in range(begin, end):
                                slot = n*stages + i if keep else i
                                bias = biases[bias_index[n, i]]
                                operator = operators[operator_index[n, i]]
                                # dG = C dH_i
                                width = dot_G.size//C.shape[0]
                                target = dot_G.reshape((C.shape[0], width))
                                given = directions[k, i*state:(i + 1)*state].reshape((C.shape[1], width))
                                target[:] = constants[0]
                                for a in range(C.shape[0]):
                                    for b in range(C_runs[a, 0], C_runs[a, 1]):
                                        factor = C[a, b]
                                        for r in range(given.shape[1]):
                                            target[a, r] += factor*given[b, r]
                                # dT = w_s dG
                                np.dot(operator, dot_G, dot_T)
                                # dU = Φ dT
                                width = dot_U.size//Phi.shape[0]
                                target = dot_U.reshape((Phi.shape[0], width))
                                given = dot_T.reshape((Phi.shape[1], width))
                                np.dot(Phi, given, target)
                                # dZ = X dH_i
                                width = dot_Z.size//X.shape[0]
                                target = dot_Z.reshape((X.shape[0], width))
                                given = directions[k, i*state:(i + 1)*state].reshape((X.shape[1], width))
                                np.dot(X, given, target)
                                # dR at every node and record, h = Z, f1 = F1, v1 = dU, v2 = dZ
                                for a in range(Z[slot].shape[0]):
                                    for r in range(Z[slot].shape[1]):
                                        h_q = Z[slot][a, r]
                                        f1_q = F1[slot][a, r]
                                        v1_q = dot_U[a, r]
                                        v2_q = dot_Z[a, r]
                                        t0 = f1_q*f1_q
                                        t1 = h_q*h_q
                                        value_dot_R = (((c1 + (c3*t0))*v1_q) + ((c4*t1)*v2_q))
                                        dot_R[a, r] = value_dot_R
                                # dm_i = A dR
                                width = moved[i*state:(i + 1)*state].size//A.shape[0]
                                target = moved[i*state:(i + 1)*state].reshape((A.shape[0], width))
                                given = dot_R.reshape((A.shape[1], width))
                                np.dot(A, given, target)
                            for i in range(begin, end):
                                slot = n*stages + i if keep else i
                                bias = biases[bias_index[n, i]]
                                operator = operators[operator_index[n, i]]
                                for a in range(0, state):
                                    for r in range(records):
                                        total = directions[k, i*state + a, r]
                                        for j in range(begin, end):
                                            total -= combine[n, i, j + 1]*moved[j*state + a, r]
                                        image[i*state + a, r] = total
                        if step == 0:  # what is left of the right side
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    value = given_vector[a, r]
                                    if cycle > 0:
                                        value -= image[a, r]
                                    directions[0, a, r] = value
                            for r in range(records):
                                error_r[0, r] = c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    error_r[0, r] += directions[0, a, r]*directions[0, a, r]
                            for r in range(records):
                                error_r[0, r] = np.sqrt(error_r[0, r])
                                if cycle == 0:
                                    reach_r[0, r] = limits[1]*error_r[0, r]
                                    last_r[0, r] = c5*error_r[0, r] + error_r[0, r]
                                live_r[0, r] = c1 if error_r[0, r] > reach_r[0, r] and c5*error_r[0, r] < last_r[0, r] else c0
                                last_r[0, r] = error_r[0, r]
                                rest_r[0, r] = error_r[0, r]
                                factor_r[0, r] = c1/error_r[0, r] if live_r[0, r] == c1 else c0
                            wanted = 0
                            for r in range(records):
                                if live_r[0, r] == c1:
                                    wanted = 1
                            if not wanted:
                                break
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    directions[0, a, r] *= factor_r[0, r]
                        else:
                            for r in range(records):
                                before_r[0, r] = c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    before_r[0, r] += image[a, r]*image[a, r]
                            for r in range(records):
                                for j in range(k + 2):
                                    matrix_r[j*krylov + k, r] = c0
                            for repeat in range(2):
                                for j in range(k + 1):
                                    for r in range(records):
                                        dots_r[j, r] = c0
                                    for a in range(begin*state, end*state):
                                        for r in range(records):
                                            dots_r[j, r] += directions[j, a, r]*image[a, r]
                                for j in range(k + 1):
                                    for a in range(begin*state, end*state):
                                        for r in range(records):
                                            image[a, r] -= dots_r[j, r]*directions[j, a, r]
                                for r in range(records):
                                    for j in range(k + 1):
                                        matrix_r[j*krylov + k, r] += dots_r[j, r]
                            for r in range(records):
                                after_r[0, r] = c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    after_r[0, r] += image[a, r]*image[a, r]
                            for r in range(records):
                                after_r[0, r] = np.sqrt(after_r[0, r])
                                if not after_r[0, r] > limits[0]*np.sqrt(before_r[0, r]):  # nothing new: the directions span the solution
                                    after_r[0, r] = c0
                                factor_r[0, r] = c1/after_r[0, r] if after_r[0, r] > c0 else c0
                                for j in range(k):
                                    above, below = matrix_r[j*krylov + k, r], matrix_r[(j + 1)*krylov + k, r]
                                    matrix_r[j*krylov + k, r] = cosine_r[j, r]*above + sine_r[j, r]*below
                                    matrix_r[(j + 1)*krylov + k, r] = cosine_r[j, r]*below - sine_r[j, r]*above
                                above = matrix_r[k*krylov + k, r]
                                length = np.sqrt(above*above + after_r[0, r]*after_r[0, r])
                                cosine_r[k, r] = above/length if length > c0 else c1
                                sine_r[k, r] = after_r[0, r]/length if length > c0 else c0
                                matrix_r[k*krylov + k, r] = length
                                rest_r[k + 1, r] = -sine_r[k, r]*rest_r[k, r]
                                rest_r[k, r] = cosine_r[k, r]*rest_r[k, r]
                                live_r[0, r] = c1 if np.abs(rest_r[k + 1, r]) > reach_r[0, r] else c0
                            for a in range(begin*state, end*state):
                                for r in range(records):
                                    directions[k + 1, a, r] = factor_r[0, r]*image[a, r]
                            used = k + 1
                            wanted = 0
                            for r in range(records):
                                if live_r[0, r] == c1:
                                    wanted = 1
                            if not wanted:
                                break
                    if used == 0:
                        break
                    for r in range(records):
                        for back in range(used):
                            j = used - 1 - back
                            total = rest_r[j, r]
                            for l in range(j + 1, used):
                                total -= matrix_r[j*krylov + l, r]*dots_r[l, r]
                            pivot = matrix_r[j*krylov + j, r]
                            dots_r[j, r] = total/pivot if pivot != c0 else c0
                    for j in range(used):
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                solution[a, r] += dots_r[j, r]*directions[j, a, r]
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    bias = biases[bias_index[n, i]]
                    operator = operators[operator_index[n, i]]
                    for a in range(0, state):
                        for r in range(records):
                            if damping_r[0, r] == c1:
                                change[i*state + a, r] = solution[i*state + a, r]
                                H[i][a, r] += solution[i*state + a, r]
                            elif damping_r[0, r] > c0:
                                H[i][a, r] -= damping_r[0, r]*change[i*state + a, r]
            for r in range(records):
                if not residue_r[0, r] <= unsolved[r]:
                    unsolved[r] = residue_r[0, r]
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
    bar, combine, operator_index, bias_index, operators, biases, Phi, C, C_runs, X, A, groups, limits, iterations, cycles, krylov, constants, channels, F1, G, Z, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    c3 = constants[3]  # -12
    c4 = constants[4]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state = bar.shape[0]
    bar_m = np.empty((stages, bar.shape[0], records), bar.dtype)
    bar_h = np.empty((bar.shape[0], records), bar.dtype)
    bar_G = np.empty((operators.shape[2], records), bar.dtype)
    bar_H = np.empty((bar.shape[0], records), bar.dtype)
    bar_R = np.empty((biases.shape[1], records), bar.dtype)
    bar_T = np.empty((operators.shape[1], records), bar.dtype)
    bar_U = np.empty((biases.shape[1], records), bar.dtype)
    bar_Z = np.empty((biases.shape[1], records), bar.dtype)
    given_vector = np.empty((stages*state, records), bar.dtype)
    solution = np.empty((stages*state, records), bar.dtype)
    image = np.empty((stages*state, records), bar.dtype)
    moved = np.empty((stages*state, records), bar.dtype)
    error_r = np.empty((1, records), bar.dtype)
    live_r = np.empty((1, records), bar.dtype)
    reach_r = np.empty((1, records), bar.dtype)
    last_r = np.empty((1, records), bar.dtype)
    factor_r = np.empty((1, records), bar.dtype)
    before_r = np.empty((1, records), bar.dtype)
    after_r = np.empty((1, records), bar.dtype)
    dots_r = np.empty((krylov + 1, records), bar.dtype)
    cosine_r = np.empty((krylov, records), bar.dtype)
    sine_r = np.empty((krylov, records), bar.dtype)
    rest_r = np.empty((krylov + 1, records), bar.dtype)
    matrix_r = np.empty(((krylov + 1)*krylov, records), bar.dtype)
    directions = np.empty((krylov + 1, stages*state, records), bar.dtype)
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
        for group in range(groups.shape[0] - 1, -1, -1):
            begin, end = groups[group, 0], groups[group, 1]
            for i in range(begin, end):
                slot = n*stages + i
                bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        given_vector[i*state + a, r] = bar_m[i, a, r]
            for a in range(begin*state, end*state):
                for r in range(records):
                    solution[a, r] = c0
            for cycle in range(cycles):
                for a in range(begin*state, end*state):
                    for r in range(records):
                        directions[0, a, r] = solution[a, r]
                used = 0
                for step in range(krylov + 1):
                    k = max(step - 1, 0)
                    if step > 0 or cycle > 0:
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                            # R̄ = Aᵀ m_ī
                            width = bar_R.size//A.shape[1]
                            target = bar_R.reshape((A.shape[1], width))
                            given = directions[k, i*state:(i + 1)*state].reshape((A.shape[0], width))
                            np.dot(A.T, given, target)
                            # Ū, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                            for a in range(bar_R.shape[0]):
                                for r in range(bar_R.shape[1]):
                                    h_q = Z[slot][a, r]
                                    f1_q = F1[slot][a, r]
                                    v_q = bar_R[a, r]
                                    t0 = f1_q*f1_q
                                    t1 = h_q*h_q
                                    value_bar_U = ((c1 + (c2*t0))*v_q)
                                    bar_U[a, r] = value_bar_U
                                    value_bar_Z = ((c3*t1)*v_q)
                                    bar_Z[a, r] = value_bar_Z
                            # H_ī = Xᵀ Z̄
                            width = moved[i*state:(i + 1)*state].size//X.shape[1]
                            target = moved[i*state:(i + 1)*state].reshape((X.shape[1], width))
                            given = bar_Z.reshape((X.shape[0], width))
                            np.dot(X.T, given, target)
                            # T̄ = Φᵀ Ū
                            width = bar_T.size//Phi.shape[1]
                            target = bar_T.reshape((Phi.shape[1], width))
                            given = bar_U.reshape((Phi.shape[0], width))
                            np.dot(Phi.T, given, target)
                            # Ḡ = w_sᵀ T̄
                            np.dot(operator.T, bar_T, bar_G)
                            # H_ī += Cᵀ Ḡ
                            width = moved[i*state:(i + 1)*state].size//C.shape[1]
                            target = moved[i*state:(i + 1)*state].reshape((C.shape[1], width))
                            given = bar_G.reshape((C.shape[0], width))
                            for a in range(C.shape[0]):
                                for b in range(C_runs[a, 0], C_runs[a, 1]):
                                    factor = C[a, b]
                                    for r in range(given.shape[1]):
                                        target[b, r] += factor*given[a, r]
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                            operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                            for a in range(0, state):
                                for r in range(records):
                                    total = directions[k, i*state + a, r]
                                    for j in range(begin, end):
                                        total -= combine[n, j, i + 1]*moved[j*state + a, r]
                                    image[i*state + a, r] = total
                    if step == 0:  # what is left of the right side
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                value = given_vector[a, r]
                                if cycle > 0:
                                    value -= image[a, r]
                                directions[0, a, r] = value
                        for r in range(records):
                            error_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                error_r[0, r] += directions[0, a, r]*directions[0, a, r]
                        for r in range(records):
                            error_r[0, r] = np.sqrt(error_r[0, r])
                            if cycle == 0:
                                reach_r[0, r] = limits[3]*error_r[0, r]
                                last_r[0, r] = c4*error_r[0, r] + error_r[0, r]
                            live_r[0, r] = c1 if error_r[0, r] > reach_r[0, r] and c4*error_r[0, r] < last_r[0, r] else c0
                            last_r[0, r] = error_r[0, r]
                            rest_r[0, r] = error_r[0, r]
                            factor_r[0, r] = c1/error_r[0, r] if live_r[0, r] == c1 else c0
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[0, a, r] *= factor_r[0, r]
                    else:
                        for r in range(records):
                            before_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                before_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            for j in range(k + 2):
                                matrix_r[j*krylov + k, r] = c0
                        for repeat in range(2):
                            for j in range(k + 1):
                                for r in range(records):
                                    dots_r[j, r] = c0
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        dots_r[j, r] += directions[j, a, r]*image[a, r]
                            for j in range(k + 1):
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        image[a, r] -= dots_r[j, r]*directions[j, a, r]
                            for r in range(records):
                                for j in range(k + 1):
                                    matrix_r[j*krylov + k, r] += dots_r[j, r]
                        for r in range(records):
                            after_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                after_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            after_r[0, r] = np.sqrt(after_r[0, r])
                            if not after_r[0, r] > limits[0]*np.sqrt(before_r[0, r]):  # nothing new: the directions span the solution
                                after_r[0, r] = c0
                            factor_r[0, r] = c1/after_r[0, r] if after_r[0, r] > c0 else c0
                            for j in range(k):
                                above, below = matrix_r[j*krylov + k, r], matrix_r[(j + 1)*krylov + k, r]
                                matrix_r[j*krylov + k, r] = cosine_r[j, r]*above + sine_r[j, r]*below
                                matrix_r[(j + 1)*krylov + k, r] = cosine_r[j, r]*below - sine_r[j, r]*above
                            above = matrix_r[k*krylov + k, r]
                            length = np.sqrt(above*above + after_r[0, r]*after_r[0, r])
                            cosine_r[k, r] = above/length if length > c0 else c1
                            sine_r[k, r] = after_r[0, r]/length if length > c0 else c0
                            matrix_r[k*krylov + k, r] = length
                            rest_r[k + 1, r] = -sine_r[k, r]*rest_r[k, r]
                            rest_r[k, r] = cosine_r[k, r]*rest_r[k, r]
                            live_r[0, r] = c1 if np.abs(rest_r[k + 1, r]) > reach_r[0, r] else c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[k + 1, a, r] = factor_r[0, r]*image[a, r]
                        used = k + 1
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                if used == 0:
                    break
                for r in range(records):
                    for back in range(used):
                        j = used - 1 - back
                        total = rest_r[j, r]
                        for l in range(j + 1, used):
                            total -= matrix_r[j*krylov + l, r]*dots_r[l, r]
                        pivot = matrix_r[j*krylov + j, r]
                        dots_r[j, r] = total/pivot if pivot != c0 else c0
                for j in range(used):
                    for a in range(begin*state, end*state):
                        for r in range(records):
                            solution[a, r] += dots_r[j, r]*directions[j, a, r]
            for i in range(begin, end):
                slot = n*stages + i
                bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        bar_m[i, a, r] = solution[i*state + a, r]
            for i in range(end - 1, begin - 1, -1):
                slot = n*stages + i
                bias, bar_bias = biases[bias_index[n, i]], bar_biases[bias_index[n, i]]
                operator, bar_operator = operators[operator_index[n, i]], bar_operators[operator_index[n, i]]
                # R̄ = Aᵀ m_ī
                width = bar_R.size//A.shape[1]
                target = bar_R.reshape((A.shape[1], width))
                given = bar_m[i].reshape((A.shape[0], width))
                np.dot(A.T, given, target)
                # Ū, e_s̄, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                for a in range(bar_R.shape[0]):
                    total = constants[0]
                    for r in range(bar_R.shape[1]):
                        h_q = Z[slot][a, r]
                        f1_q = F1[slot][a, r]
                        v_q = bar_R[a, r]
                        t0 = f1_q*f1_q
                        t1 = (c1 + (c2*t0))*v_q
                        t2 = h_q*h_q
                        value_bar_U = t1
                        bar_U[a, r] = value_bar_U
                        total += value_bar_U
                        value_bar_Z = ((c3*t2)*v_q)
                        bar_Z[a, r] = value_bar_Z
                    bar_bias[a] += total
                # H_ī = Xᵀ Z̄
                width = bar_H.size//X.shape[1]
                target = bar_H.reshape((X.shape[1], width))
                given = bar_Z.reshape((X.shape[0], width))
                np.dot(X.T, given, target)
                # T̄ = Φᵀ Ū
                width = bar_T.size//Phi.shape[1]
                target = bar_T.reshape((Phi.shape[1], width))
                given = bar_U.reshape((Phi.shape[0], width))
                np.dot(Phi.T, given, target)
                # gradient of w_s: += T̄ Gᵀ, summed over records
                add_dot(bar_T, G[slot].T, bar_operator)
                # Ḡ = w_sᵀ T̄
                np.dot(operator.T, bar_T, bar_G)
                # H_ī += Cᵀ Ḡ
                width = bar_H.size//C.shape[1]
                target = bar_H.reshape((C.shape[1], width))
                given = bar_G.reshape((C.shape[0], width))
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
                for j in range(begin):
                    gamma = combine[n, i, j + 1]
                    if gamma != 0:
                        target = bar_m[j].reshape(bar.size)
                        for a in range(bar.size):
                            target[a] += gamma*given[a]
        for a in range(0, state):
            for r in range(records):
                bar[a, r] = bar_h[a, r]


def factors_tangent_1(
    dot, combine, operator_index, bias_index, operators, biases, Phi, C, C_runs, X, A, groups, limits, iterations, cycles, krylov, constants, channels, dot_operators, dot_biases, F1, G, Z,
):
    """dot ← dh(stop), from dh(start) and changes of operators and biases   (7)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    c3 = constants[3]  # -12
    c4 = constants[4]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, dot.shape[1]
    state = dot.shape[0]
    dot_m = np.empty((stages, dot.shape[0], records), dot.dtype)
    dot_G = np.empty((operators.shape[2], records), dot.dtype)
    dot_R = np.empty((biases.shape[1], records), dot.dtype)
    dot_T = np.empty((operators.shape[1], records), dot.dtype)
    dot_U = np.empty((biases.shape[1], records), dot.dtype)
    dot_Z = np.empty((biases.shape[1], records), dot.dtype)
    given_vector = np.empty((stages*state, records), dot.dtype)
    solution = np.empty((stages*state, records), dot.dtype)
    image = np.empty((stages*state, records), dot.dtype)
    moved = np.empty((stages*state, records), dot.dtype)
    error_r = np.empty((1, records), dot.dtype)
    live_r = np.empty((1, records), dot.dtype)
    reach_r = np.empty((1, records), dot.dtype)
    last_r = np.empty((1, records), dot.dtype)
    factor_r = np.empty((1, records), dot.dtype)
    before_r = np.empty((1, records), dot.dtype)
    after_r = np.empty((1, records), dot.dtype)
    dots_r = np.empty((krylov + 1, records), dot.dtype)
    cosine_r = np.empty((krylov, records), dot.dtype)
    sine_r = np.empty((krylov, records), dot.dtype)
    rest_r = np.empty((krylov + 1, records), dot.dtype)
    matrix_r = np.empty(((krylov + 1)*krylov, records), dot.dtype)
    directions = np.empty((krylov + 1, stages*state, records), dot.dtype)
    for n in range(steps):
        for group in range(groups.shape[0]):
            begin, end = groups[group, 0], groups[group, 1]
            for a in range(begin*state, end*state):
                for r in range(records):
                    solution[a, r] = c0
            for i in range(begin, end):
                slot = n*stages + i
                bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                # dG = C dH_i
                width = dot_G.size//C.shape[0]
                target = dot_G.reshape((C.shape[0], width))
                given = solution[i*state:(i + 1)*state].reshape((C.shape[1], width))
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
                np.dot(Phi, given, target)
                # dZ = X dH_i
                width = dot_Z.size//X.shape[0]
                target = dot_Z.reshape((X.shape[0], width))
                given = solution[i*state:(i + 1)*state].reshape((X.shape[1], width))
                np.dot(X, given, target)
                # dR at every node and record, h = Z, f1 = F1, v1 = dU + de_s, v2 = dZ
                for a in range(Z[slot].shape[0]):
                    for r in range(Z[slot].shape[1]):
                        h_q = Z[slot][a, r]
                        f1_q = F1[slot][a, r]
                        v1_q = dot_U[a, r] + dot_bias[a]
                        v2_q = dot_Z[a, r]
                        t0 = f1_q*f1_q
                        t1 = h_q*h_q
                        value_dot_R = (((c1 + (c2*t0))*v1_q) + ((c3*t1)*v2_q))
                        dot_R[a, r] = value_dot_R
                # dm_i = A dR
                width = moved[i*state:(i + 1)*state].size//A.shape[0]
                target = moved[i*state:(i + 1)*state].reshape((A.shape[0], width))
                given = dot_R.reshape((A.shape[1], width))
                np.dot(A, given, target)
            for i in range(begin, end):
                slot = n*stages + i
                bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                for a in range(0, state):
                    for r in range(records):
                        total = combine[n, i, 0]*dot[a, r]
                        for j in range(begin):
                            total += combine[n, i, j + 1]*dot_m[j, a, r]
                        for j in range(begin, end):
                            total += combine[n, i, j + 1]*moved[j*state + a, r]
                        given_vector[i*state + a, r] = total
            for a in range(begin*state, end*state):
                for r in range(records):
                    solution[a, r] = c0
            for cycle in range(cycles):
                for a in range(begin*state, end*state):
                    for r in range(records):
                        directions[0, a, r] = solution[a, r]
                used = 0
                for step in range(krylov + 1):
                    k = max(step - 1, 0)
                    if step > 0 or cycle > 0:
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                            # dG = C dH_i
                            width = dot_G.size//C.shape[0]
                            target = dot_G.reshape((C.shape[0], width))
                            given = directions[k, i*state:(i + 1)*state].reshape((C.shape[1], width))
                            target[:] = constants[0]
                            for a in range(C.shape[0]):
                                for b in range(C_runs[a, 0], C_runs[a, 1]):
                                    factor = C[a, b]
                                    for r in range(given.shape[1]):
                                        target[a, r] += factor*given[b, r]
                            # dT = w_s dG
                            np.dot(operator, dot_G, dot_T)
                            # dU = Φ dT
                            width = dot_U.size//Phi.shape[0]
                            target = dot_U.reshape((Phi.shape[0], width))
                            given = dot_T.reshape((Phi.shape[1], width))
                            np.dot(Phi, given, target)
                            # dZ = X dH_i
                            width = dot_Z.size//X.shape[0]
                            target = dot_Z.reshape((X.shape[0], width))
                            given = directions[k, i*state:(i + 1)*state].reshape((X.shape[1], width))
                            np.dot(X, given, target)
                            # dR at every node and record, h = Z, f1 = F1, v1 = dU, v2 = dZ
                            for a in range(Z[slot].shape[0]):
                                for r in range(Z[slot].shape[1]):
                                    h_q = Z[slot][a, r]
                                    f1_q = F1[slot][a, r]
                                    v1_q = dot_U[a, r]
                                    v2_q = dot_Z[a, r]
                                    t0 = f1_q*f1_q
                                    t1 = h_q*h_q
                                    value_dot_R = (((c1 + (c2*t0))*v1_q) + ((c3*t1)*v2_q))
                                    dot_R[a, r] = value_dot_R
                            # dm_i = A dR
                            width = moved[i*state:(i + 1)*state].size//A.shape[0]
                            target = moved[i*state:(i + 1)*state].reshape((A.shape[0], width))
                            given = dot_R.reshape((A.shape[1], width))
                            np.dot(A, given, target)
                        for i in range(begin, end):
                            slot = n*stages + i
                            bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                            operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                            for a in range(0, state):
                                for r in range(records):
                                    total = directions[k, i*state + a, r]
                                    for j in range(begin, end):
                                        total -= combine[n, i, j + 1]*moved[j*state + a, r]
                                    image[i*state + a, r] = total
                    if step == 0:  # what is left of the right side
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                value = given_vector[a, r]
                                if cycle > 0:
                                    value -= image[a, r]
                                directions[0, a, r] = value
                        for r in range(records):
                            error_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                error_r[0, r] += directions[0, a, r]*directions[0, a, r]
                        for r in range(records):
                            error_r[0, r] = np.sqrt(error_r[0, r])
                            if cycle == 0:
                                reach_r[0, r] = limits[3]*error_r[0, r]
                                last_r[0, r] = c4*error_r[0, r] + error_r[0, r]
                            live_r[0, r] = c1 if error_r[0, r] > reach_r[0, r] and c4*error_r[0, r] < last_r[0, r] else c0
                            last_r[0, r] = error_r[0, r]
                            rest_r[0, r] = error_r[0, r]
                            factor_r[0, r] = c1/error_r[0, r] if live_r[0, r] == c1 else c0
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[0, a, r] *= factor_r[0, r]
                    else:
                        for r in range(records):
                            before_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                before_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            for j in range(k + 2):
                                matrix_r[j*krylov + k, r] = c0
                        for repeat in range(2):
                            for j in range(k + 1):
                                for r in range(records):
                                    dots_r[j, r] = c0
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        dots_r[j, r] += directions[j, a, r]*image[a, r]
                            for j in range(k + 1):
                                for a in range(begin*state, end*state):
                                    for r in range(records):
                                        image[a, r] -= dots_r[j, r]*directions[j, a, r]
                            for r in range(records):
                                for j in range(k + 1):
                                    matrix_r[j*krylov + k, r] += dots_r[j, r]
                        for r in range(records):
                            after_r[0, r] = c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                after_r[0, r] += image[a, r]*image[a, r]
                        for r in range(records):
                            after_r[0, r] = np.sqrt(after_r[0, r])
                            if not after_r[0, r] > limits[0]*np.sqrt(before_r[0, r]):  # nothing new: the directions span the solution
                                after_r[0, r] = c0
                            factor_r[0, r] = c1/after_r[0, r] if after_r[0, r] > c0 else c0
                            for j in range(k):
                                above, below = matrix_r[j*krylov + k, r], matrix_r[(j + 1)*krylov + k, r]
                                matrix_r[j*krylov + k, r] = cosine_r[j, r]*above + sine_r[j, r]*below
                                matrix_r[(j + 1)*krylov + k, r] = cosine_r[j, r]*below - sine_r[j, r]*above
                            above = matrix_r[k*krylov + k, r]
                            length = np.sqrt(above*above + after_r[0, r]*after_r[0, r])
                            cosine_r[k, r] = above/length if length > c0 else c1
                            sine_r[k, r] = after_r[0, r]/length if length > c0 else c0
                            matrix_r[k*krylov + k, r] = length
                            rest_r[k + 1, r] = -sine_r[k, r]*rest_r[k, r]
                            rest_r[k, r] = cosine_r[k, r]*rest_r[k, r]
                            live_r[0, r] = c1 if np.abs(rest_r[k + 1, r]) > reach_r[0, r] else c0
                        for a in range(begin*state, end*state):
                            for r in range(records):
                                directions[k + 1, a, r] = factor_r[0, r]*image[a, r]
                        used = k + 1
                        wanted = 0
                        for r in range(records):
                            if live_r[0, r] == c1:
                                wanted = 1
                        if not wanted:
                            break
                if used == 0:
                    break
                for r in range(records):
                    for back in range(used):
                        j = used - 1 - back
                        total = rest_r[j, r]
                        for l in range(j + 1, used):
                            total -= matrix_r[j*krylov + l, r]*dots_r[l, r]
                        pivot = matrix_r[j*krylov + j, r]
                        dots_r[j, r] = total/pivot if pivot != c0 else c0
                for j in range(used):
                    for a in range(begin*state, end*state):
                        for r in range(records):
                            solution[a, r] += dots_r[j, r]*directions[j, a, r]
            for i in range(begin, end):
                slot = n*stages + i
                bias, dot_bias = biases[bias_index[n, i]], dot_biases[bias_index[n, i]]
                operator, dot_operator = operators[operator_index[n, i]], dot_operators[operator_index[n, i]]
                # dG = C dH_i
                width = dot_G.size//C.shape[0]
                target = dot_G.reshape((C.shape[0], width))
                given = solution[i*state:(i + 1)*state].reshape((C.shape[1], width))
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
                np.dot(Phi, given, target)
                # dZ = X dH_i
                width = dot_Z.size//X.shape[0]
                target = dot_Z.reshape((X.shape[0], width))
                given = solution[i*state:(i + 1)*state].reshape((X.shape[1], width))
                np.dot(X, given, target)
                # dR at every node and record, h = Z, f1 = F1, v1 = dU + de_s, v2 = dZ
                for a in range(Z[slot].shape[0]):
                    for r in range(Z[slot].shape[1]):
                        h_q = Z[slot][a, r]
                        f1_q = F1[slot][a, r]
                        v1_q = dot_U[a, r] + dot_bias[a]
                        v2_q = dot_Z[a, r]
                        t0 = f1_q*f1_q
                        t1 = h_q*h_q
                        value_dot_R = (((c1 + (c2*t0))*v1_q) + ((c3*t1)*v2_q))
                        dot_R[a, r] = value_dot_R
                # dm_i = A dR
                width = dot_m[i].size//A.shape[0]
                target = dot_m[i].reshape((A.shape[0], width))
                given = dot_R.reshape((A.shape[1], width))
                np.dot(A, given, target)
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
