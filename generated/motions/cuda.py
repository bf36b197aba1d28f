"""Kernels of the continuum 'motions'; specification dd91c3d4f2d6.

∂h/∂δ = ρ(u, h),  rate 4*sin(u1)*sigmoid(u2) - 2*h;  u = ∫ W h dξ′ + V h + b   (1), (2)

Written by ``continua generate``; do not edit. The derivation is in derivation.md beside this file.
A thread block works on a tile of records: rows (axis · channel) go by threadIdx.y, records by
threadIdx.x; threads wait for each other after every operation. Sums over stages are completed by ``depth_adjoint``;
the blocks' own are added elsewhere. Tables, tableau and constants are arguments.
"""

import math  # noqa: F401

from numba import cuda


def product(
    height, many, width, each, over, depth, left, left_start, left_row, left_over, left_deep,
    right, right_start, right_over, right_deep, right_many, right_column,
    out, out_start, out_row, out_many, out_column, add, constants, staged,
):
    """out_a,pr = Σ_sb left_a,sb right_sb,pr, or adds that, by a block's threads.

    a < height, p < many, r < width, s < over, b < depth. An array is flat; an element's place is the start and so many
    times each of its distances. A piece p of the columns takes ``each`` of the block's; 0 where there is one alone.
    """
    zero = constants[0]
    threads = cuda.blockDim.x*cuda.blockDim.y
    thread = cuda.threadIdx.y*cuda.blockDim.x + cuda.threadIdx.x
    columns = 16 if threads > 64 else 8 if threads > 16 else 4 if threads > 4 else 2 if threads > 1 else 1
    rows, row, column = threads//columns, thread//columns, thread % columns
    high, wide, side_by_side = 8*rows, 4*columns, many*each if each else width
    aside = 8*(high + 4)  # in ``staged`` are slices of the factors, 8 deep: from 0 on a, b, and from here on b, r
    sums, ahead = cuda.local.array(32, out.dtype), cuda.local.array(96, out.dtype)
    near, far = cuda.local.array(16, out.dtype), cuda.local.array(8, out.dtype)
    # neighbouring threads fetch neighbours: in b where these are so in memory, else in a, or in r
    left_b, right_b = 1 if left_deep == 1 else 0, 1 if right_deep == 1 else 0
    for top in range(0, height, high):
        for side in range(0, side_by_side, wide):
            for e in range(32):
                sums[e] = zero
            s, begin = 0, 0  # of the slice that is fetched; the one before is multiplied
            for slices in range(over*((depth + 7)//8) + 1):
                for e in range(64//columns):
                    at = e*threads + thread
                    a, b = (at//8, at % 8) if left_b else (at % high, at//high)
                    a, b = top + a, begin + b
                    inside = s < over and a < height and b < depth
                    place = left_start + s*left_over + a*left_row + b*left_deep
                    ahead[e] = left.flat[place] if inside else zero
                for e in range(32//rows):
                    at = e*threads + thread
                    r, b = (at//8, at % 8) if right_b else (at % wide, at//wide)
                    p, r = ((side + r)//each, (side + r) % each) if each else (0, side + r)
                    b = begin + b
                    inside = s < over and b < depth and p < many and r < width
                    place = right_start + s*right_over + b*right_deep + p*right_many + r*right_column
                    ahead[64 + e] = right.flat[place] if inside else zero
                if slices > 0:
                    for b in range(0, 8, 2):
                        for a in range(8):
                            near[a] = staged[b*(high + 4) + 8*row + a]
                            near[8 + a] = staged[(b + 1)*(high + 4) + 8*row + a]
                        for r in range(4):
                            far[r] = staged[aside + b*(wide + 4) + 4*column + r]
                            far[4 + r] = staged[aside + (b + 1)*(wide + 4) + 4*column + r]
                        for a in range(8):
                            for r in range(4):
                                sums[4*a + r] += near[a]*far[r]
                                sums[4*a + r] += near[8 + a]*far[4 + r]
                cuda.syncthreads()
                for e in range(64//columns):
                    at = e*threads + thread
                    a, b = (at//8, at % 8) if left_b else (at % high, at//high)
                    staged[b*(high + 4) + a] = ahead[e]
                for e in range(32//rows):
                    at = e*threads + thread
                    r, b = (at//8, at % 8) if right_b else (at % wide, at//wide)
                    staged[aside + b*(wide + 4) + r % columns*4 + r//columns] = ahead[64 + e]
                cuda.syncthreads()
                s, begin = (s, begin + 8) if begin + 8 < depth else (s + 1, 0)
            for e in range(32):
                a, r = top + 8*row + e//4, side + column + e % 4*columns
                p, r = (r//each, r % each) if each else (0, r)
                if a < height and p < many and r < width:
                    place = out_start + a*out_row + p*out_many + r*out_column
                    out.flat[place] = out.flat[place] + sums[e] if add else sums[e]


def summed(height, count, given, given_start, given_row, out, constants, staged):
    """out_a += Σ_r given_ar, by a block's threads, of which neighbours read neighbouring records.

    Each sums the records that are its own, of four rows; then one adds what those of a row have found.
    """
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    for top in range(0, height, 4*rows):
        for e in range(4):
            a = top + e*rows + row
            total = constants[0]
            if a < height:
                for r in range(column, count, columns):
                    total += given.flat[given_start + a*given_row + r]
            staged[(e*rows + row)*(columns + 1) + column] = total
        cuda.syncthreads()
        for a in range(row*columns + column, min(4*rows, height - top), rows*columns):
            total = out.flat[top + a]
            for r in range(columns):
                total += staged[a*(columns + 1) + r]
            out.flat[top + a] = total
        cuda.syncthreads()


def factors_operators_1(
    w, theta, w_entries, w_values, beta, vartheta, Psi, v, Psi_V, constants, channels, mixed, mixed_bias, mixed_local, operators, biases, local_operators,
):
    """the blocks of w_s = N Σ_k θ_k(δ_s) z_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k,  V_s = Ψ Σ_k ϑ_k(δ_s) v_k   (4)"""
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    thread, threads = row*columns + column, rows*columns
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    for s in range(block, operators.shape[0], blocks):
        # Σ_k theta_sk w_k
        for a in range(row, w.shape[1], rows):
            for d in range(column, w.shape[2], columns):
                total = constants[0]
                for k in range(theta.shape[1]):
                    total += theta[s, k]*w[k, a, d]
                mixed[s, a, d] = total
        cuda.syncthreads()
        for a in range(row*columns + column, operators.shape[1], rows*columns):
            operators[s, a] = constants[0]
        cuda.syncthreads()
        for o in range(row, 2*channels, rows):
            for c in range(column, channels, columns):
                for e in range(w_entries.shape[0]):
                    line = w_entries[e, 2]*2*channels + o
                    at = (w_entries[e, 1]*2*channels + line*w_entries[e, 4] + w_entries[e, 3])*channels
                    operators[s, at + c] += w_values[e]*mixed[s, w_entries[e, 0], o*channels + c]
        cuda.syncthreads()
    for s in range(block, biases.shape[0], blocks):
        # Σ_k vartheta_sk beta_k
        for a in range(thread, beta.shape[1], threads):
            total = constants[0]
            for k in range(vartheta.shape[1]):
                total += vartheta[s, k]*beta[k, a]
            mixed_bias[s, a] = total
        cuda.syncthreads()
        # e_s = Ψ β_s
        for c in range(2*channels):
            for a in range(thread, Psi.shape[0], threads):
                total = constants[0]
                for b in range(Psi.shape[1]):
                    total += Psi[a, b]*mixed_bias[s, b*2*channels + c]
                biases[s, a*2*channels + c] = total
        cuda.syncthreads()
    for s in range(block, local_operators.shape[0], blocks):
        # Σ_k vartheta_sk v_k
        for a in range(row, v.shape[1], rows):
            for d in range(column, v.shape[2], columns):
                total = constants[0]
                for k in range(vartheta.shape[1]):
                    total += vartheta[s, k]*v[k, a, d]
                mixed_local[s, a, d] = total
        cuda.syncthreads()
        # V_s = Ψ v_s
        size = mixed_local.shape[2]
        product(Psi_V.shape[0], 1, size, 0, 1, Psi_V.shape[1],
                Psi_V, 0, Psi_V.shape[1], 0, 1,
                mixed_local[s], 0, 0, size, 0, 1,
                local_operators[s], 0, size, 0, 1, False, constants, staged)
        cuda.syncthreads()


def factors_operators_adjoint_1(
    bar_operators, w_entries, w_values, bar_biases, Psi, bar_local_operators, Psi_V, constants, channels, mixed, mixed_bias, mixed_local,
):
    """The adjoint of: the blocks of w_s = N Σ_k θ_k(δ_s) z_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k,  V_s = Ψ Σ_k ϑ_k(δ_s) v_k   (4)   (11)"""
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    thread, threads = row*columns + column, rows*columns
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    for s in range(block, bar_operators.shape[0], blocks):
        for o in range(row, 2*channels, rows):
            for c in range(column, channels, columns):
                for a in range(mixed.shape[1]):
                    mixed[s, a, o*channels + c] = constants[0]
                for e in range(w_entries.shape[0]):
                    line = w_entries[e, 2]*2*channels + o
                    at = (w_entries[e, 1]*2*channels + line*w_entries[e, 4] + w_entries[e, 3])*channels
                    mixed[s, w_entries[e, 0], o*channels + c] += w_values[e]*bar_operators[s, at + c]
        cuda.syncthreads()
    for s in range(block, bar_biases.shape[0], blocks):
        # β_s̄ = Ψᵀ e_s̄
        for c in range(2*channels):
            for a in range(thread, Psi.shape[1], threads):
                total = constants[0]
                for b in range(Psi.shape[0]):
                    total += Psi[b, a]*bar_biases[s, b*2*channels + c]
                mixed_bias[s, a*2*channels + c] = total
        cuda.syncthreads()
    for s in range(block, bar_local_operators.shape[0], blocks):
        # v_s̄ = Ψᵀ V_s̄
        size = mixed_local.shape[2]
        product(Psi_V.shape[1], 1, size, 0, 1, Psi_V.shape[0],
                Psi_V, 0, 1, 0, Psi_V.shape[1],
                bar_local_operators[s], 0, 0, size, 0, 1,
                mixed_local[s], 0, size, 0, 1, False, constants, staged)
        cuda.syncthreads()


def factors_forward_1(
    h, combine, operator_index, bias_index, operators, biases, C, C_runs, X, X_runs, A, w_alike, local_operators, V_alike, constants, channels, workspace, keep, F1, F2, G, T, Z,
):
    """h ← h(stop): m_i = A r(u, X h),  u = Φ (w_s (C h)) + e_s + V_s X h   (4), (5), (7)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # 4
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]
    state, node, weight_out = h.shape[0], biases.shape[1]//2, biases.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    room, start = workspace[block], 0  # working memory, array after array
    m, start = room[start:], start + (stages*state)*tile
    H, start = room[start:], start + state*tile
    R, start = room[start:], start + node*tile
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        for n in range(steps):
            for i in range(stages):
                slot = n*stages + i if keep else 0
                operator, bias = operator_index[n, i], bias_index[n, i]
                # H_i = α_i h_n + Σ_j γ_ij m_j
                for a in range(row, state, rows):
                    for r in range(column, count, columns):
                        total = combine[n, i, 0]*h[a, first + r]
                        for j in range(i):
                            total += combine[n, i, j + 1]*m[(j*state + a)*tile + r]
                        H[a*tile + r] = total
                cuda.syncthreads()
                # G = C H_i
                for c in range(channels):
                    for a in range(row, C.shape[0], rows):
                        for r in range(column, count, columns):
                            total = constants[0]
                            for b in range(C_runs[a, 0], C_runs[a, 1]):
                                total += C[a, b]*H[(b*channels + c)*tile + r]
                            G[slot, a*channels + c, first + r] = total
                cuda.syncthreads()
                # T = w_s G
                for a in range(row, weight_out, rows):
                    for r in range(column, count, columns):
                        T[slot, a, first + r] = constants[0]
                for piece in range(w_alike.shape[0]):
                    high, low = w_alike[piece, 0]*2*channels, w_alike[piece, 2]*channels
                    high_count = (w_alike[piece, 1] - w_alike[piece, 0])*2*channels
                    low_count = (w_alike[piece, 3] - w_alike[piece, 2])*channels
                    origin = w_alike[piece, 4]*2*channels*channels
                    many = w_alike[piece, 5]
                    high_step, low_step = w_alike[piece, 6]*2*channels, w_alike[piece, 7]*channels
                    product(high_count, many, count, tile, 1, low_count,
                            operators[operator], origin, low_count, 0, 1,
                            G[slot], low*records + first, 0, records, low_step*records, 1,
                            T[slot], high*records + first, records, high_step*records, 1, True, constants, staged)
                cuda.syncthreads()
                # Z = X H_i
                for c in range(channels):
                    for a in range(row, X.shape[0], rows):
                        for r in range(column, count, columns):
                            total = constants[0]
                            for b in range(X_runs[a, 0], X_runs[a, 1]):
                                total += X[a, b]*H[(b*channels + c)*tile + r]
                            Z[slot, a*channels + c, first + r] = total
                cuda.syncthreads()
                # T += V Z
                for piece in range(V_alike.shape[0]):
                    high, low = V_alike[piece, 0]*2*channels, V_alike[piece, 2]*channels
                    high_count = (V_alike[piece, 1] - V_alike[piece, 0])*2*channels
                    low_count = (V_alike[piece, 3] - V_alike[piece, 2])*channels
                    origin = V_alike[piece, 4]*2*channels*channels
                    many = V_alike[piece, 5]
                    high_step, low_step = V_alike[piece, 6]*2*channels, V_alike[piece, 7]*channels
                    product(high_count, many, count, tile, 1, low_count,
                            local_operators[bias], origin, low_count, 0, 1,
                            Z[slot], low*records + first, 0, records, low_step*records, 1,
                            T[slot], high*records + first, records, high_step*records, 1, True, constants, staged)
                cuda.syncthreads()
                # R, F1, F2 at every node and record, u1 = T@1 + e_s@1, u2 = T@2 + e_s@2
                for a in range(row, node, rows):
                    q, c = a//channels, a % channels
                    a, b = q*channels + c, 2*q*channels + c
                    for r in range(column, count, columns):
                        u1_q = T[slot, b, first + r] + biases[bias, b]
                        u2_q = T[slot, b + 1*channels, first + r] + biases[bias, b + 1*channels]
                        t0 = c1/(c1 + math.exp(-u2_q))
                        t1 = math.sin(u1_q)
                        value_R = (c2*t0*t1)
                        R[a*tile + r] = value_R
                        value_F1 = t0
                        F1[slot, a, first + r] = value_F1
                        value_F2 = t1
                        F2[slot, a, first + r] = value_F2
                cuda.syncthreads()
                # m_i = A R
                product(A.shape[0], channels, count, tile, 1, A.shape[1],
                        A, 0, A.shape[1], 0, 1,
                        R, 0, 0, channels*tile, tile, 1,
                        m, i*state*tile, channels*tile, tile, 1, False, constants, staged)
                cuda.syncthreads()
            # h_{n+1} = α h_n + Σ_j γ_j m_j
            for a in range(row, state, rows):
                for r in range(column, count, columns):
                    total = combine[n, stages, 0]*h[a, first + r]
                    for j in range(stages):
                        total += combine[n, stages, j + 1]*m[(j*state + a)*tile + r]
                    h[a, first + r] = total
            cuda.syncthreads()


def factors_adjoint_1(
    bar, combine, operator_index, bias_index, operators, biases, C, C_columns, X, X_columns, A, w_alike, local_operators, V_alike, constants, channels, workspace, F1, F2, G, T, Z, bar_operators, bar_biases, bar_local_operators,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c1 = constants[1]  # 1
    c2 = constants[2]  # 4
    c3 = constants[3]  # -1
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state, node, weight_out = bar.shape[0], biases.shape[1]//2, biases.shape[1]
    weight_in = C.shape[0]*channels
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    room, start = workspace[block], 0  # working memory, array after array
    bar_m, start = room[start:], start + (stages*state)*tile
    bar_h, start = room[start:], start + state*tile
    bar_G, start = room[start:], start + weight_in*tile
    bar_H, start = room[start:], start + state*tile
    bar_R, start = room[start:], start + node*tile
    bar_T, start = room[start:], start + weight_out*tile
    bar_Z, start = room[start:], start + node*tile
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        for n in range(steps - 1, -1, -1):
            # m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}
            for a in range(row, state, rows):
                for r in range(column, count, columns):
                    bar_h[a*tile + r] = combine[n, stages, 0]*bar[a, first + r]
                    for j in range(stages):
                        bar_m[(j*state + a)*tile + r] = combine[n, stages, j + 1]*bar[a, first + r]
            cuda.syncthreads()
            for i in range(stages - 1, -1, -1):
                slot = n*stages + i
                operator, bias = operator_index[n, i], bias_index[n, i]
                # R̄ = Aᵀ m_ī
                product(A.shape[1], channels, count, tile, 1, A.shape[0],
                        A, 0, 1, 0, A.shape[1],
                        bar_m, i*state*tile, 0, channels*tile, tile, 1,
                        bar_R, 0, channels*tile, tile, 1, False, constants, staged)
                cuda.syncthreads()
                # T@1̄, e_s@1̄, T@2̄, e_s@2̄ at every node and record, u1 = T@1 + e_s@1, f1 = F1, f2 = F2, v = R̄
                for a in range(row, node, rows):
                    q, c = a//channels, a % channels
                    a, b = q*channels + c, 2*q*channels + c
                    for r in range(column, count, columns):
                        u1_q = T[slot, b, first + r] + biases[bias, b]
                        f1_q = F1[slot, a, first + r]
                        f2_q = F2[slot, a, first + r]
                        v_q = bar_R[a*tile + r]
                        t0 = math.cos(u1_q)
                        t1 = (c2*t0*f1_q)*v_q
                        t2 = (c2*(c1 + (c3*f1_q))*f1_q*f2_q)*v_q
                        value_bar_T_0 = t1
                        bar_T[b*tile + r] = value_bar_T_0
                        value_bar_T_1 = t2
                        bar_T[(b + 1*channels)*tile + r] = value_bar_T_1
                cuda.syncthreads()
                # e_s̄: T̄, summed over the tile's records
                summed(weight_out, count, bar_T, 0, tile, bar_biases[block, bias], constants, staged)
                cuda.syncthreads()
                # gradient of V: += T̄ Zᵀ, summed over records
                for piece in range(V_alike.shape[0]):
                    high, low = V_alike[piece, 0]*2*channels, V_alike[piece, 2]*channels
                    high_count = (V_alike[piece, 1] - V_alike[piece, 0])*2*channels
                    low_count = (V_alike[piece, 3] - V_alike[piece, 2])*channels
                    origin = V_alike[piece, 4]*2*channels*channels
                    many = V_alike[piece, 5]
                    high_step, low_step = V_alike[piece, 6]*2*channels, V_alike[piece, 7]*channels
                    product(high_count, 1, low_count, 0, many, count,
                            bar_T, high*tile, tile, high_step*tile, 1,
                            Z[slot], low*records + first, low_step*records, 1, 0, records,
                            bar_local_operators[block, bias], origin, low_count, 0, 1, True, constants, staged)
                cuda.syncthreads()
                # Z̄ = Vᵀ T̄
                for a in range(row, node, rows):
                    for r in range(column, count, columns):
                        bar_Z[a*tile + r] = constants[0]
                for piece in range(V_alike.shape[0]):
                    high, low = V_alike[piece, 0]*2*channels, V_alike[piece, 2]*channels
                    high_count = (V_alike[piece, 1] - V_alike[piece, 0])*2*channels
                    low_count = (V_alike[piece, 3] - V_alike[piece, 2])*channels
                    origin = V_alike[piece, 4]*2*channels*channels
                    many = V_alike[piece, 5]
                    high_step, low_step = V_alike[piece, 6]*2*channels, V_alike[piece, 7]*channels
                    product(low_count, many, count, tile, 1, high_count,
                            local_operators[bias], origin, 1, 0, low_count,
                            bar_T, high*tile, 0, tile, high_step*tile, 1,
                            bar_Z, low*tile, tile, low_step*tile, 1, True, constants, staged)
                cuda.syncthreads()
                # H_ī = Xᵀ Z̄
                for c in range(channels):
                    for a in range(row, X.shape[1], rows):
                        for r in range(column, count, columns):
                            total = constants[0]
                            for b in range(X_columns[a, 0], X_columns[a, 1]):
                                total += X[b, a]*bar_Z[(b*channels + c)*tile + r]
                            bar_H[(a*channels + c)*tile + r] = total
                cuda.syncthreads()
                # gradient of w_s: += T̄ Gᵀ, summed over records
                for piece in range(w_alike.shape[0]):
                    high, low = w_alike[piece, 0]*2*channels, w_alike[piece, 2]*channels
                    high_count = (w_alike[piece, 1] - w_alike[piece, 0])*2*channels
                    low_count = (w_alike[piece, 3] - w_alike[piece, 2])*channels
                    origin = w_alike[piece, 4]*2*channels*channels
                    many = w_alike[piece, 5]
                    high_step, low_step = w_alike[piece, 6]*2*channels, w_alike[piece, 7]*channels
                    product(high_count, 1, low_count, 0, many, count,
                            bar_T, high*tile, tile, high_step*tile, 1,
                            G[slot], low*records + first, low_step*records, 1, 0, records,
                            bar_operators[block, operator], origin, low_count, 0, 1, True, constants, staged)
                cuda.syncthreads()
                # Ḡ = w_sᵀ T̄
                for a in range(row, weight_in, rows):
                    for r in range(column, count, columns):
                        bar_G[a*tile + r] = constants[0]
                for piece in range(w_alike.shape[0]):
                    high, low = w_alike[piece, 0]*2*channels, w_alike[piece, 2]*channels
                    high_count = (w_alike[piece, 1] - w_alike[piece, 0])*2*channels
                    low_count = (w_alike[piece, 3] - w_alike[piece, 2])*channels
                    origin = w_alike[piece, 4]*2*channels*channels
                    many = w_alike[piece, 5]
                    high_step, low_step = w_alike[piece, 6]*2*channels, w_alike[piece, 7]*channels
                    product(low_count, many, count, tile, 1, high_count,
                            operators[operator], origin, 1, 0, low_count,
                            bar_T, high*tile, 0, tile, high_step*tile, 1,
                            bar_G, low*tile, tile, low_step*tile, 1, True, constants, staged)
                cuda.syncthreads()
                # H_ī += Cᵀ Ḡ
                for c in range(channels):
                    for a in range(row, C.shape[1], rows):
                        for r in range(column, count, columns):
                            total = constants[0]
                            for b in range(C_columns[a, 0], C_columns[a, 1]):
                                total += C[b, a]*bar_G[(b*channels + c)*tile + r]
                            bar_H[(a*channels + c)*tile + r] += total
                cuda.syncthreads()
                # m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i
                for a in range(row, state, rows):
                    for r in range(column, count, columns):
                        bar_h[a*tile + r] += combine[n, i, 0]*bar_H[a*tile + r]
                        for j in range(i):
                            bar_m[(j*state + a)*tile + r] += combine[n, i, j + 1]*bar_H[a*tile + r]
                cuda.syncthreads()
            for a in range(0 + row, state, rows):
                for r in range(column, count, columns):
                    bar[a, first + r] = bar_h[a*tile + r]
            cuda.syncthreads()


def factors_forward_rows_1(stages, state, node, wide, weight_out, weight_in):
    """Rows of working memory that a record needs in factors_forward_1."""
    return stages*state + state + node


def factors_adjoint_rows_1(stages, state, node, wide, weight_out, weight_in):
    """Rows of working memory that a record needs in factors_adjoint_1."""
    return stages*state + state + weight_in + state + node + weight_out + node


def lift(x, lift, constants, h):
    """h = P (x, 1): at every function of the basis, from the coefficients of the records and of 1."""
    records = h.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        # h = P x
        for a in range(row, h.shape[0], rows):
            for r in range(column, count, columns):
                total = constants[0]
                for b in range(lift.shape[1]):
                    total += lift[a % lift.shape[0], b]*x[a//lift.shape[0]*lift.shape[1] + b, first + r]
                h[a, first + r] = total
        cuda.syncthreads()


def lift_adjoint(bar_h, x, lift, constants, bar_x, bar_lift):
    """The adjoint of: h = P (x, 1). bar_x is set; the gradient of P is added to."""
    records = x.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        # gradient of P: += h̄ xᵀ, summed over records
        product(lift.shape[0], 1, lift.shape[1], 0, x.shape[0]//lift.shape[1], count,
                bar_h, first, records, lift.shape[0]*records, 1,
                x, first, lift.shape[1]*records, 1, 0, records,
                bar_lift[block], 0, lift.shape[1], 0, 1, True, constants, staged)
        cuda.syncthreads()
        # x̄ = Pᵀ h̄
        for a in range(row, bar_x.shape[0], rows):
            for r in range(column, count, columns):
                total = constants[0]
                for b in range(lift.shape[0]):
                    total += lift[b, a % lift.shape[1]]*bar_h[a//lift.shape[1]*lift.shape[0] + b, first + r]
                bar_x[a, first + r] = total
        cuda.syncthreads()


def readout(y, operator, constant, constants, z):
    """z_k = ∫ R_k(ξ) y(ξ) dξ + a_k: the rows of ``operator`` are the fields R against the state basis."""
    records = y.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        # z = R y + constant
        for a in range(row, z.shape[0], rows):
            for r in range(column, count, columns):
                z[a, first + r] = constant[a]
        cuda.syncthreads()
        product(z.shape[0], 1, count, 0, 1, y.shape[0],
                operator, 0, y.shape[0], 0, 1,
                y, first, 0, records, 0, 1,
                z, first, records, 0, 1, True, constants, staged)
        cuda.syncthreads()


def readout_adjoint(bar_z, y, operator, constants, bar_y, bar_operator, bar_constant):
    """The adjoint of: z = R y + a. bar_y is set; the gradients of R and a are added to."""
    records = y.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        # gradient of R: += z̄ yᵀ, summed over records
        product(bar_z.shape[0], 1, y.shape[0], 0, 1, count,
                bar_z, first, records, 0, 1,
                y, first, 0, 1, 0, records,
                bar_operator[block], 0, y.shape[0], 0, 1, True, constants, staged)
        cuda.syncthreads()
        # constant̄ += z̄, summed over records
        summed(bar_z.shape[0], count, bar_z, first, records, bar_constant[block], constants, staged)
        cuda.syncthreads()
        # ȳ = Rᵀ z̄
        product(bar_y.shape[0], 1, count, 0, 1, bar_z.shape[0],
                operator, 0, 1, 0, bar_y.shape[0],
                bar_z, first, 0, records, 0, 1,
                bar_y, first, records, 0, 1, False, constants, staged)
        cuda.syncthreads()


def maximum(y, X, weights, sharpness, constants, at_nodes, features):
    """Below y its smooth maxima (1/β) log Σ_q ω_q exp(β y(ξ_q)), one a channel; at_nodes = y(ξ_q)."""
    state, channels, beta = y.shape[0], features.shape[0] - y.shape[0], sharpness[0]
    records = y.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        # at_nodes = X y
        product(X.shape[0], channels, count, tile, 1, X.shape[1],
                X, 0, X.shape[1], 0, 1,
                y, first, 0, channels*records, records, 1,
                at_nodes, first, channels*records, records, 1, False, constants, staged)
        cuda.syncthreads()
        for a in range(0 + row, state, rows):
            for r in range(column, count, columns):
                features[a, first + r] = y[a, first + r]
        cuda.syncthreads()
        for c in range(row, channels, rows):
            for r in range(column, count, columns):
                top = at_nodes[c, first + r]  # m rises by a constant that is added to y
                for k in range(weights.shape[0]):
                    top = at_nodes[k*channels + c, first + r] if at_nodes[k*channels + c, first + r] > top else top
                S_q = constants[0]
                for k in range(weights.shape[0]):
                    y_q = at_nodes[k*channels + c, first + r] - top
                    omega = weights[k]
                    t0 = math.exp((beta*y_q))
                    S_q += (t0*omega)
                t0 = math.log(S_q)
                features[state + c, first + r] = ((t0/beta) + top)
        cuda.syncthreads()


def maximum_adjoint(bar_features, X, weights, sharpness, constants, at_nodes, bar_y):
    """The adjoint of: smooth maxima. bar_y is set; at_nodes becomes m̄ ∂m/∂y_q, the share of node q of m̄."""
    state, channels, beta = bar_y.shape[0], bar_features.shape[0] - bar_y.shape[0], sharpness[0]
    records = bar_y.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        for c in range(row, channels, rows):
            for r in range(column, count, columns):
                top = at_nodes[c, first + r]  # m rises by a constant that is added to y
                for k in range(weights.shape[0]):
                    top = at_nodes[k*channels + c, first + r] if at_nodes[k*channels + c, first + r] > top else top
                v_q = bar_features[state + c, first + r]
                S_q = constants[0]
                for k in range(weights.shape[0]):
                    y_q = at_nodes[k*channels + c, first + r] - top
                    omega = weights[k]
                    t0 = math.exp((beta*y_q))
                    S_q += (t0*omega)
                for k in range(weights.shape[0]):
                    y_q = at_nodes[k*channels + c, first + r] - top
                    omega = weights[k]
                    t0 = math.exp((beta*y_q))
                    at_nodes[k*channels + c, first + r] = (((t0/S_q)*omega)*v_q)
        cuda.syncthreads()
        for a in range(0 + row, state, rows):
            for r in range(column, count, columns):
                bar_y[a, first + r] = bar_features[a, first + r]
        cuda.syncthreads()
        # ȳ += Xᵀ at_nodes̄
        product(X.shape[1], channels, count, tile, 1, X.shape[0],
                X, 0, 1, 0, X.shape[1],
                at_nodes, first, 0, channels*records, records, 1,
                bar_y, first, channels*records, records, 1, True, constants, staged)
        cuda.syncthreads()


def share(y, X, weights, levels, softness, constants, at_nodes, features):
    """Below y its shares Σ_q ω_q g(y(ξ_q)), level by level one a channel, g a step there; at_nodes = y(ξ_q)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    state, channels, epsilon = y.shape[0], (features.shape[0] - y.shape[0])//levels.shape[0], softness[0]
    records = y.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        # at_nodes = X y
        product(X.shape[0], channels, count, tile, 1, X.shape[1],
                X, 0, X.shape[1], 0, 1,
                y, first, 0, channels*records, records, 1,
                at_nodes, first, channels*records, records, 1, False, constants, staged)
        cuda.syncthreads()
        for a in range(0 + row, state, rows):
            for r in range(column, count, columns):
                features[a, first + r] = y[a, first + r]
        cuda.syncthreads()
        for i in range(levels.shape[0]):
            for c in range(row, channels, rows):
                for r in range(column, count, columns):
                    S_q = constants[0]
                    for k in range(weights.shape[0]):
                        y_q = at_nodes[k*channels + c, first + r]
                        omega = weights[k]
                        level = levels[i]
                        t0 = (((c2*level) + y_q)/epsilon)
                        t1 = c1/(c1 + math.exp(-t0))
                        S_q += (omega*t1)
                    features[state + i*channels + c, first + r] = S_q
        cuda.syncthreads()


def share_adjoint(bar_features, X, weights, levels, softness, constants, at_nodes, bar_y):
    """The adjoint of: shares. bar_y is set; at_nodes becomes Σ_l s̄_l ∂s_l/∂y_q."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    state, channels, epsilon = bar_y.shape[0], (bar_features.shape[0] - bar_y.shape[0])//levels.shape[0], softness[0]
    records = bar_y.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        for i in range(weights.shape[0]):
            for c in range(row, channels, rows):
                for r in range(column, count, columns):
                    y_q = at_nodes[i*channels + c, first + r]
                    S_q = constants[0]
                    for k in range(levels.shape[0]):
                        v_q = bar_features[state + k*channels + c, first + r]
                        level = levels[k]
                        omega = weights[i]
                        t0 = (((c2*level) + y_q)/epsilon)
                        t1 = c1/(c1 + math.exp(-t0))
                        S_q += (((((c1 + (c2*t1))*t1)/epsilon)*omega)*v_q)
                    at_nodes[i*channels + c, first + r] = S_q
        cuda.syncthreads()
        for a in range(0 + row, state, rows):
            for r in range(column, count, columns):
                bar_y[a, first + r] = bar_features[a, first + r]
        cuda.syncthreads()
        # ȳ += Xᵀ at_nodes̄
        product(X.shape[1], channels, count, tile, 1, X.shape[0],
                X, 0, 1, 0, X.shape[1],
                at_nodes, first, 0, channels*records, records, 1,
                bar_y, first, channels*records, records, 1, True, constants, staged)
        cuda.syncthreads()


def loss(z, target, constants, value, source):
    """L of every record (cross-entropy) and source = ∂L/∂z, from its derivation."""
    c2 = constants[2]  # -1
    records = z.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    tile = 4*columns
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        for r in range(row*columns + column, count, rows*columns):
            top = z[0, first + r]  # L is unchanged when a constant is added to every output
            for k in range(z.shape[0]):
                top = z[k, first + r] if z[k, first + r] > top else top
            sum_hit = constants[0]
            sum_partition = constants[0]
            sum_total = constants[0]
            for k in range(z.shape[0]):
                zk, tk = z[k, first + r] - top, target[k, first + r]
                t0 = math.exp(zk)
                sum_hit += (tk*zk)
                sum_partition += t0
                sum_total += tk
            t0 = math.log(sum_partition)
            value[first + r] = ((c2*sum_hit) + (t0*sum_total))
            for k in range(z.shape[0]):
                zk, tk = z[k, first + r] - top, target[k, first + r]
                t0 = math.exp(zk)
                source[k, first + r] = (((t0*sum_total)/sum_partition) + (c2*tk))
        cuda.syncthreads()


def depth_adjoint(theta, mixed, bar):
    """The adjoint of the mix over depth: bar_ke += Σ_s θ_sk mixed_se   (11)."""
    for e in range(cuda.grid(1), bar.shape[1], cuda.gridsize(1)):
        for k in range(bar.shape[0]):
            total = bar[k, e]
            for s in range(theta.shape[0]):
                total += theta[s, k]*mixed[s, e]
            bar[k, e] = total
    cuda.syncthreads()


def clear(values, constants):
    """values_e = 0."""
    for e in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        values[e] = constants[0]
