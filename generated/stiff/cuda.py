"""Kernels of the continuum 'stiff'; specification e20ca8d7cfe2.

∂h/∂δ = ρ(u, h),  rate tanh(u) - a*h**3;  u = ∫ W h dξ′ + b   (1), (2)

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


def formed_operators_1(
    w, theta, Phi, C, C_columns, beta, vartheta, Psi, constants, channels, mixed, left, mixed_bias, operators, biases,
):
    """E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"""
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
        # left of mixed by Φ
        for c in range(channels):
            product(Phi.shape[0], 1, mixed.shape[2], 0, 1, Phi.shape[1],
                    Phi, 0, Phi.shape[1], 0, 1,
                    mixed[s], c*mixed.shape[2], 0, channels*mixed.shape[2], 0, 1,
                    left[s], c*mixed.shape[2], channels*mixed.shape[2], 0, 1, False, constants, staged)
        cuda.syncthreads()
        # E_s of left by C
        for c in range(channels):
            for a in range(column, C.shape[1], columns):
                for d in range(row, left.shape[1], rows):
                    total = constants[0]
                    for b in range(C_columns[a, 0], C_columns[a, 1]):
                        total += C[b, a]*left[s, d, b*channels + c]
                    operators[s, d, a*channels + c] = total
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
        for c in range(channels):
            for a in range(thread, Psi.shape[0], threads):
                total = constants[0]
                for b in range(Psi.shape[1]):
                    total += Psi[a, b]*mixed_bias[s, b*channels + c]
                biases[s, a*channels + c] = total
        cuda.syncthreads()


def formed_operators_adjoint_1(
    bar_operators, Phi, C, C_runs, bar_biases, Psi, constants, channels, mixed, left, mixed_bias,
):
    """The adjoint of: E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)   (11)"""
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    thread, threads = row*columns + column, rows*columns
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    for s in range(block, bar_operators.shape[0], blocks):
        # left of E_s̄ by C
        for c in range(channels):
            for a in range(column, C.shape[0], columns):
                for d in range(row, bar_operators.shape[1], rows):
                    total = constants[0]
                    for b in range(C_runs[a, 0], C_runs[a, 1]):
                        total += C[a, b]*bar_operators[s, d, b*channels + c]
                    left[s, d, a*channels + c] = total
        cuda.syncthreads()
        # mixed of left by Φ
        for c in range(channels):
            product(Phi.shape[1], 1, left.shape[2], 0, 1, Phi.shape[0],
                    Phi, 0, 1, 0, Phi.shape[1],
                    left[s], c*left.shape[2], 0, channels*left.shape[2], 0, 1,
                    mixed[s], c*left.shape[2], channels*left.shape[2], 0, 1, False, constants, staged)
        cuda.syncthreads()
    for s in range(block, bar_biases.shape[0], blocks):
        # β_s̄ = Ψᵀ e_s̄
        for c in range(channels):
            for a in range(thread, Psi.shape[1], threads):
                total = constants[0]
                for b in range(Psi.shape[0]):
                    total += Psi[b, a]*bar_biases[s, b*channels + c]
                mixed_bias[s, a*channels + c] = total
        cuda.syncthreads()


def formed_forward_1(
    h, combine, operator_index, bias_index, operators, biases, X, A, groups, limits, iterations, cycles, krylov, constants, channels, workspace, keep, F1, H, Z, unsolved,
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
    state, node, wide = h.shape[0], biases.shape[1], biases.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    room, start = workspace[block], 0  # working memory, array after array
    m, start = room[start:], start + (stages*state)*tile
    R, start = room[start:], start + node*tile
    U, start = room[start:], start + wide*tile
    dot_R, start = room[start:], start + node*tile
    dot_U, start = room[start:], start + wide*tile
    dot_Z, start = room[start:], start + node*tile
    given_vector, start = room[start:], start + (stages*state)*tile
    solution, start = room[start:], start + (stages*state)*tile
    image, start = room[start:], start + (stages*state)*tile
    moved, start = room[start:], start + (stages*state)*tile
    known, start = room[start:], start + (stages*state)*tile
    change, start = room[start:], start + (stages*state)*tile
    error_r, start = room[start:], start + (1)*tile
    live_r, start = room[start:], start + (1)*tile
    reach_r, start = room[start:], start + (1)*tile
    last_r, start = room[start:], start + (1)*tile
    factor_r, start = room[start:], start + (1)*tile
    before_r, start = room[start:], start + (1)*tile
    after_r, start = room[start:], start + (1)*tile
    size_r, start = room[start:], start + (1)*tile
    old_r, start = room[start:], start + (1)*tile
    damping_r, start = room[start:], start + (1)*tile
    residue_r, start = room[start:], start + (1)*tile
    dots_r, start = room[start:], start + ((krylov + 1))*tile
    cosine_r, start = room[start:], start + krylov*tile
    sine_r, start = room[start:], start + krylov*tile
    rest_r, start = room[start:], start + ((krylov + 1))*tile
    matrix_r, start = room[start:], start + (((krylov + 1)*krylov))*tile
    directions, start = room[start:], start + ((krylov + 1)*stages*state)*tile
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        for n in range(steps):
            for group in range(groups.shape[0]):
                begin, end = groups[group, 0], groups[group, 1]
                # the first guess: what earlier stages say
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    for a in range(0 + row, state, rows):
                        for r in range(column, count, columns):
                            total = combine[n, i, 0]*h[a, first + r]
                            for j in range(begin):
                                total += combine[n, i, j + 1]*m[(j*state + a)*tile + r]
                            known[(i*state + a)*tile + r] = total
                            H[slot, a, first + r] = total
                    cuda.syncthreads()
                for iteration in range(iterations):
                    for i in range(begin, end):
                        slot = n*stages + i if keep else i
                        operator, bias = operator_index[n, i], bias_index[n, i]
                        # U = E_s H_i
                        product(wide, 1, count, 0, 1, state,
                                operators[operator], 0, state, 0, 1,
                                H[slot], first, 0, records, 0, 1,
                                U, 0, tile, 0, 1, False, constants, staged)
                        cuda.syncthreads()
                        # Z = X H_i
                        product(X.shape[0], channels, count, tile, 1, X.shape[1],
                                X, 0, X.shape[1], 0, 1,
                                H[slot], first, 0, channels*records, records, 1,
                                Z[slot], first, channels*records, records, 1, False, constants, staged)
                        cuda.syncthreads()
                        # R, F1 at every node and record, u = U + e_s, h = Z
                        for a in range(row, wide, rows):
                            for r in range(column, count, columns):
                                u_q = U[a*tile + r] + biases[bias, a]
                                h_q = Z[slot, a, first + r]
                                t0 = h_q*h_q
                                t1 = h_q*t0
                                t2 = math.tanh(u_q)
                                value_R = ((c2*t1) + t2)
                                R[a*tile + r] = value_R
                                value_F1 = t2
                                F1[slot, a, first + r] = value_F1
                        cuda.syncthreads()
                        # m_i = A R
                        product(A.shape[0], channels, count, tile, 1, A.shape[1],
                                A, 0, A.shape[1], 0, 1,
                                R, 0, 0, channels*tile, tile, 1,
                                m, i*state*tile, channels*tile, tile, 1, False, constants, staged)
                        cuda.syncthreads()
                    # residual: α_i h + Σ_j γ_ij m_j − H_i
                    for i in range(begin, end):
                        slot = n*stages + i if keep else i
                        operator, bias = operator_index[n, i], bias_index[n, i]
                        for a in range(0 + row, state, rows):
                            for r in range(column, count, columns):
                                total = known[(i*state + a)*tile + r]
                                for j in range(begin, end):
                                    total += combine[n, i, j + 1]*m[(j*state + a)*tile + r]
                                solution[(i*state + a)*tile + r] = total
                                given_vector[(i*state + a)*tile + r] = total - H[slot, a, first + r]
                        cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        total = constants[0]
                        for a in range(begin*state, end*state):
                            total += given_vector[a*tile + r]*given_vector[a*tile + r]
                        error_r[(0)*tile + r] = total
                    cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        total = constants[0]
                        for a in range(begin*state, end*state):
                            total += solution[a*tile + r]*solution[a*tile + r]
                        size_r[(0)*tile + r] = total
                    cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        total = constants[0]
                        for a in range(begin*state, end*state):
                            total += known[a*tile + r]*known[a*tile + r]
                        before_r[(0)*tile + r] = total
                    cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        error_r[(0)*tile + r] = math.sqrt(error_r[(0)*tile + r])
                        size_r[(0)*tile + r] = math.sqrt(size_r[(0)*tile + r]) + math.sqrt(before_r[(0)*tile + r])
                        residue_r[(0)*tile + r] = error_r[(0)*tile + r]/size_r[(0)*tile + r] if size_r[(0)*tile + r] > c0 else error_r[(0)*tile + r]
                        stuck = iteration > 0 and c5*error_r[(0)*tile + r] > old_r[(0)*tile + r] and old_r[(0)*tile + r] <= limits[2]*size_r[(0)*tile + r]
                        if not error_r[(0)*tile + r] > limits[0]*size_r[(0)*tile + r] or stuck:  # as good as rounding allows
                            damping_r[(0)*tile + r] = c0
                        elif iteration > 0 and not error_r[(0)*tile + r] < old_r[(0)*tile + r]:  # half of the correction; given up when that is nothing
                            damping_r[(0)*tile + r] = damping_r[(0)*tile + r]/c5 if damping_r[(0)*tile + r] > c6 else c0
                        else:
                            old_r[(0)*tile + r] = error_r[(0)*tile + r]
                            damping_r[(0)*tile + r] = c1
                        live_r[(0)*tile + r] = c1 if damping_r[(0)*tile + r] > c0 else c0
                    cuda.syncthreads()
                    wanted = 0
                    for r in range(row*columns + column, count, rows*columns):
                        if live_r[(0)*tile + r] == c1:
                            wanted = 1
                    wanted = cuda.syncthreads_or(wanted)
                    if not wanted:
                        break
                    for a in range(begin*state + row, end*state, rows):
                        for r in range(column, count, columns):
                            given_vector[a*tile + r] *= c1 if damping_r[(0)*tile + r] == c1 else c0
                    cuda.syncthreads()
                    for a in range(begin*state + row, end*state, rows):
                        for r in range(column, count, columns):
                            solution[a*tile + r] = c0
                    cuda.syncthreads()
                    for cycle in range(cycles):
                        for a in range(begin*state + row, end*state, rows):
                            for r in range(column, count, columns):
                                directions[((0)*stages*state + a)*tile + r] = solution[a*tile + r]
                        cuda.syncthreads()
                        used = 0
                        for step in range(krylov + 1):
                            k = max(step - 1, 0)
                            if step > 0 or cycle > 0:
                                for i in range(begin, end):
                                    slot = n*stages + i if keep else i
                                    operator, bias = operator_index[n, i], bias_index[n, i]
                                    # dU = E_s dH_i
                                    product(wide, 1, count, 0, 1, state,
                                            operators[operator], 0, state, 0, 1,
                                            directions, (k*stages*state + i*state)*tile, 0, tile, 0, 1,
                                            dot_U, 0, tile, 0, 1, False, constants, staged)
                                    cuda.syncthreads()
                                    # dZ = X dH_i
                                    product(X.shape[0], channels, count, tile, 1, X.shape[1],
                                            X, 0, X.shape[1], 0, 1,
                                            directions, (k*stages*state + i*state)*tile, 0, channels*tile, tile, 1,
                                            dot_Z, 0, channels*tile, tile, 1, False, constants, staged)
                                    cuda.syncthreads()
                                    # dR at every node and record, h = Z, f1 = F1, v1 = dU, v2 = dZ
                                    for a in range(row, node, rows):
                                        for r in range(column, count, columns):
                                            h_q = Z[slot, a, first + r]
                                            f1_q = F1[slot, a, first + r]
                                            v1_q = dot_U[a*tile + r]
                                            v2_q = dot_Z[a*tile + r]
                                            t0 = f1_q*f1_q
                                            t1 = h_q*h_q
                                            value_dot_R = (((c1 + (c3*t0))*v1_q) + ((c4*t1)*v2_q))
                                            dot_R[a*tile + r] = value_dot_R
                                    cuda.syncthreads()
                                    # dm_i = A dR
                                    product(A.shape[0], channels, count, tile, 1, A.shape[1],
                                            A, 0, A.shape[1], 0, 1,
                                            dot_R, 0, 0, channels*tile, tile, 1,
                                            moved, i*state*tile, channels*tile, tile, 1, False, constants, staged)
                                    cuda.syncthreads()
                                for i in range(begin, end):
                                    slot = n*stages + i if keep else i
                                    operator, bias = operator_index[n, i], bias_index[n, i]
                                    for a in range(0 + row, state, rows):
                                        for r in range(column, count, columns):
                                            total = directions[(k*stages*state + i*state + a)*tile + r]
                                            for j in range(begin, end):
                                                total -= combine[n, i, j + 1]*moved[(j*state + a)*tile + r]
                                            image[(i*state + a)*tile + r] = total
                                    cuda.syncthreads()
                            if step == 0:  # what is left of the right side
                                for a in range(begin*state + row, end*state, rows):
                                    for r in range(column, count, columns):
                                        value = given_vector[a*tile + r]
                                        if cycle > 0:
                                            value -= image[a*tile + r]
                                        directions[((0)*stages*state + a)*tile + r] = value
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    total = constants[0]
                                    for a in range(begin*state, end*state):
                                        total += directions[((0)*stages*state + a)*tile + r]*directions[((0)*stages*state + a)*tile + r]
                                    error_r[(0)*tile + r] = total
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    error_r[(0)*tile + r] = math.sqrt(error_r[(0)*tile + r])
                                    if cycle == 0:
                                        reach_r[(0)*tile + r] = limits[1]*error_r[(0)*tile + r]
                                        last_r[(0)*tile + r] = c5*error_r[(0)*tile + r] + error_r[(0)*tile + r]
                                    live_r[(0)*tile + r] = c1 if error_r[(0)*tile + r] > reach_r[(0)*tile + r] and c5*error_r[(0)*tile + r] < last_r[(0)*tile + r] else c0
                                    last_r[(0)*tile + r] = error_r[(0)*tile + r]
                                    rest_r[(0)*tile + r] = error_r[(0)*tile + r]
                                    factor_r[(0)*tile + r] = c1/error_r[(0)*tile + r] if live_r[(0)*tile + r] == c1 else c0
                                cuda.syncthreads()
                                wanted = 0
                                for r in range(row*columns + column, count, rows*columns):
                                    if live_r[(0)*tile + r] == c1:
                                        wanted = 1
                                wanted = cuda.syncthreads_or(wanted)
                                if not wanted:
                                    break
                                for a in range(begin*state + row, end*state, rows):
                                    for r in range(column, count, columns):
                                        directions[((0)*stages*state + a)*tile + r] *= factor_r[(0)*tile + r]
                                cuda.syncthreads()
                            else:
                                for r in range(row*columns + column, count, rows*columns):
                                    total = constants[0]
                                    for a in range(begin*state, end*state):
                                        total += image[a*tile + r]*image[a*tile + r]
                                    before_r[(0)*tile + r] = total
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    for j in range(k + 2):
                                        matrix_r[(j*krylov + k)*tile + r] = c0
                                cuda.syncthreads()
                                for repeat in range(2):
                                    for j in range(k + 1):
                                        for r in range(row*columns + column, count, rows*columns):
                                            total = constants[0]
                                            for a in range(begin*state, end*state):
                                                total += directions[(j*stages*state + a)*tile + r]*image[a*tile + r]
                                            dots_r[j*tile + r] = total
                                        cuda.syncthreads()
                                    for j in range(k + 1):
                                        for a in range(begin*state + row, end*state, rows):
                                            for r in range(column, count, columns):
                                                image[a*tile + r] -= dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                                        cuda.syncthreads()
                                    for r in range(row*columns + column, count, rows*columns):
                                        for j in range(k + 1):
                                            matrix_r[(j*krylov + k)*tile + r] += dots_r[j*tile + r]
                                    cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    total = constants[0]
                                    for a in range(begin*state, end*state):
                                        total += image[a*tile + r]*image[a*tile + r]
                                    after_r[(0)*tile + r] = total
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    after_r[(0)*tile + r] = math.sqrt(after_r[(0)*tile + r])
                                    if not after_r[(0)*tile + r] > limits[0]*math.sqrt(before_r[(0)*tile + r]):  # nothing new: the directions span the solution
                                        after_r[(0)*tile + r] = c0
                                    factor_r[(0)*tile + r] = c1/after_r[(0)*tile + r] if after_r[(0)*tile + r] > c0 else c0
                                    for j in range(k):
                                        above, below = matrix_r[(j*krylov + k)*tile + r], matrix_r[((j + 1)*krylov + k)*tile + r]
                                        matrix_r[(j*krylov + k)*tile + r] = cosine_r[j*tile + r]*above + sine_r[j*tile + r]*below
                                        matrix_r[((j + 1)*krylov + k)*tile + r] = cosine_r[j*tile + r]*below - sine_r[j*tile + r]*above
                                    above = matrix_r[(k*krylov + k)*tile + r]
                                    length = math.sqrt(above*above + after_r[(0)*tile + r]*after_r[(0)*tile + r])
                                    cosine_r[k*tile + r] = above/length if length > c0 else c1
                                    sine_r[k*tile + r] = after_r[(0)*tile + r]/length if length > c0 else c0
                                    matrix_r[(k*krylov + k)*tile + r] = length
                                    rest_r[(k + 1)*tile + r] = -sine_r[k*tile + r]*rest_r[k*tile + r]
                                    rest_r[k*tile + r] = cosine_r[k*tile + r]*rest_r[k*tile + r]
                                    live_r[(0)*tile + r] = c1 if math.fabs(rest_r[(k + 1)*tile + r]) > reach_r[(0)*tile + r] else c0
                                cuda.syncthreads()
                                for a in range(begin*state + row, end*state, rows):
                                    for r in range(column, count, columns):
                                        directions[((k + 1)*stages*state + a)*tile + r] = factor_r[(0)*tile + r]*image[a*tile + r]
                                cuda.syncthreads()
                                used = k + 1
                                wanted = 0
                                for r in range(row*columns + column, count, rows*columns):
                                    if live_r[(0)*tile + r] == c1:
                                        wanted = 1
                                wanted = cuda.syncthreads_or(wanted)
                                if not wanted:
                                    break
                        if used == 0:
                            break
                        for r in range(row*columns + column, count, rows*columns):
                            for back in range(used):
                                j = used - 1 - back
                                total = rest_r[j*tile + r]
                                for l in range(j + 1, used):
                                    total -= matrix_r[(j*krylov + l)*tile + r]*dots_r[l*tile + r]
                                pivot = matrix_r[(j*krylov + j)*tile + r]
                                dots_r[j*tile + r] = total/pivot if pivot != c0 else c0
                        cuda.syncthreads()
                        for j in range(used):
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    solution[a*tile + r] += dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                            cuda.syncthreads()
                    for i in range(begin, end):
                        slot = n*stages + i if keep else i
                        operator, bias = operator_index[n, i], bias_index[n, i]
                        for a in range(0 + row, state, rows):
                            for r in range(column, count, columns):
                                if damping_r[(0)*tile + r] == c1:
                                    change[(i*state + a)*tile + r] = solution[(i*state + a)*tile + r]
                                    H[slot, a, first + r] += solution[(i*state + a)*tile + r]
                                elif damping_r[(0)*tile + r] > c0:
                                    H[slot, a, first + r] -= damping_r[(0)*tile + r]*change[(i*state + a)*tile + r]
                        cuda.syncthreads()
                for r in range(row*columns + column, count, rows*columns):
                    if not residue_r[(0)*tile + r] <= unsolved[first + r]:
                        unsolved[first + r] = residue_r[(0)*tile + r]
                cuda.syncthreads()
            # h_{n+1} = α h_n + Σ_j γ_j m_j
            for a in range(row, state, rows):
                for r in range(column, count, columns):
                    total = combine[n, stages, 0]*h[a, first + r]
                    for j in range(stages):
                        total += combine[n, stages, j + 1]*m[(j*state + a)*tile + r]
                    h[a, first + r] = total
            cuda.syncthreads()


def formed_adjoint_1(
    bar, combine, operator_index, bias_index, operators, biases, X, A, groups, limits, cycles, krylov, constants, channels, workspace, F1, H, Z, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    c3 = constants[3]  # -12
    c4 = constants[4]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state, node, wide = bar.shape[0], biases.shape[1], biases.shape[1]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    room, start = workspace[block], 0  # working memory, array after array
    bar_m, start = room[start:], start + (stages*state)*tile
    bar_h, start = room[start:], start + state*tile
    bar_H, start = room[start:], start + state*tile
    bar_R, start = room[start:], start + node*tile
    bar_U, start = room[start:], start + wide*tile
    bar_Z, start = room[start:], start + node*tile
    given_vector, start = room[start:], start + (stages*state)*tile
    solution, start = room[start:], start + (stages*state)*tile
    image, start = room[start:], start + (stages*state)*tile
    moved, start = room[start:], start + (stages*state)*tile
    error_r, start = room[start:], start + (1)*tile
    live_r, start = room[start:], start + (1)*tile
    reach_r, start = room[start:], start + (1)*tile
    last_r, start = room[start:], start + (1)*tile
    factor_r, start = room[start:], start + (1)*tile
    before_r, start = room[start:], start + (1)*tile
    after_r, start = room[start:], start + (1)*tile
    dots_r, start = room[start:], start + ((krylov + 1))*tile
    cosine_r, start = room[start:], start + krylov*tile
    sine_r, start = room[start:], start + krylov*tile
    rest_r, start = room[start:], start + ((krylov + 1))*tile
    matrix_r, start = room[start:], start + (((krylov + 1)*krylov))*tile
    directions, start = room[start:], start + ((krylov + 1)*stages*state)*tile
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
            for group in range(groups.shape[0] - 1, -1, -1):
                begin, end = groups[group, 0], groups[group, 1]
                for i in range(begin, end):
                    slot = n*stages + i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    for a in range(0 + row, state, rows):
                        for r in range(column, count, columns):
                            given_vector[(i*state + a)*tile + r] = bar_m[(i*state + a)*tile + r]
                    cuda.syncthreads()
                for a in range(begin*state + row, end*state, rows):
                    for r in range(column, count, columns):
                        solution[a*tile + r] = c0
                cuda.syncthreads()
                for cycle in range(cycles):
                    for a in range(begin*state + row, end*state, rows):
                        for r in range(column, count, columns):
                            directions[((0)*stages*state + a)*tile + r] = solution[a*tile + r]
                    cuda.syncthreads()
                    used = 0
                    for step in range(krylov + 1):
                        k = max(step - 1, 0)
                        if step > 0 or cycle > 0:
                            for i in range(begin, end):
                                slot = n*stages + i
                                operator, bias = operator_index[n, i], bias_index[n, i]
                                # R̄ = Aᵀ m_ī
                                product(A.shape[1], channels, count, tile, 1, A.shape[0],
                                        A, 0, 1, 0, A.shape[1],
                                        directions, (k*stages*state + i*state)*tile, 0, channels*tile, tile, 1,
                                        bar_R, 0, channels*tile, tile, 1, False, constants, staged)
                                cuda.syncthreads()
                                # Ū, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                                for a in range(row, node, rows):
                                    for r in range(column, count, columns):
                                        h_q = Z[slot, a, first + r]
                                        f1_q = F1[slot, a, first + r]
                                        v_q = bar_R[a*tile + r]
                                        t0 = f1_q*f1_q
                                        t1 = h_q*h_q
                                        value_bar_U = ((c1 + (c2*t0))*v_q)
                                        bar_U[a*tile + r] = value_bar_U
                                        value_bar_Z = ((c3*t1)*v_q)
                                        bar_Z[a*tile + r] = value_bar_Z
                                cuda.syncthreads()
                                # H_ī = Xᵀ Z̄
                                product(X.shape[1], channels, count, tile, 1, X.shape[0],
                                        X, 0, 1, 0, X.shape[1],
                                        bar_Z, 0, 0, channels*tile, tile, 1,
                                        moved, i*state*tile, channels*tile, tile, 1, False, constants, staged)
                                cuda.syncthreads()
                                # H_ī += E_sᵀ Ū
                                product(state, 1, count, 0, 1, wide,
                                        operators[operator], 0, 1, 0, state,
                                        bar_U, 0, 0, tile, 0, 1,
                                        moved, i*state*tile, tile, 0, 1, True, constants, staged)
                                cuda.syncthreads()
                            for i in range(begin, end):
                                slot = n*stages + i
                                operator, bias = operator_index[n, i], bias_index[n, i]
                                for a in range(0 + row, state, rows):
                                    for r in range(column, count, columns):
                                        total = directions[(k*stages*state + i*state + a)*tile + r]
                                        for j in range(begin, end):
                                            total -= combine[n, j, i + 1]*moved[(j*state + a)*tile + r]
                                        image[(i*state + a)*tile + r] = total
                                cuda.syncthreads()
                        if step == 0:  # what is left of the right side
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    value = given_vector[a*tile + r]
                                    if cycle > 0:
                                        value -= image[a*tile + r]
                                    directions[((0)*stages*state + a)*tile + r] = value
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                total = constants[0]
                                for a in range(begin*state, end*state):
                                    total += directions[((0)*stages*state + a)*tile + r]*directions[((0)*stages*state + a)*tile + r]
                                error_r[(0)*tile + r] = total
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                error_r[(0)*tile + r] = math.sqrt(error_r[(0)*tile + r])
                                if cycle == 0:
                                    reach_r[(0)*tile + r] = limits[3]*error_r[(0)*tile + r]
                                    last_r[(0)*tile + r] = c4*error_r[(0)*tile + r] + error_r[(0)*tile + r]
                                live_r[(0)*tile + r] = c1 if error_r[(0)*tile + r] > reach_r[(0)*tile + r] and c4*error_r[(0)*tile + r] < last_r[(0)*tile + r] else c0
                                last_r[(0)*tile + r] = error_r[(0)*tile + r]
                                rest_r[(0)*tile + r] = error_r[(0)*tile + r]
                                factor_r[(0)*tile + r] = c1/error_r[(0)*tile + r] if live_r[(0)*tile + r] == c1 else c0
                            cuda.syncthreads()
                            wanted = 0
                            for r in range(row*columns + column, count, rows*columns):
                                if live_r[(0)*tile + r] == c1:
                                    wanted = 1
                            wanted = cuda.syncthreads_or(wanted)
                            if not wanted:
                                break
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    directions[((0)*stages*state + a)*tile + r] *= factor_r[(0)*tile + r]
                            cuda.syncthreads()
                        else:
                            for r in range(row*columns + column, count, rows*columns):
                                total = constants[0]
                                for a in range(begin*state, end*state):
                                    total += image[a*tile + r]*image[a*tile + r]
                                before_r[(0)*tile + r] = total
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                for j in range(k + 2):
                                    matrix_r[(j*krylov + k)*tile + r] = c0
                            cuda.syncthreads()
                            for repeat in range(2):
                                for j in range(k + 1):
                                    for r in range(row*columns + column, count, rows*columns):
                                        total = constants[0]
                                        for a in range(begin*state, end*state):
                                            total += directions[(j*stages*state + a)*tile + r]*image[a*tile + r]
                                        dots_r[j*tile + r] = total
                                    cuda.syncthreads()
                                for j in range(k + 1):
                                    for a in range(begin*state + row, end*state, rows):
                                        for r in range(column, count, columns):
                                            image[a*tile + r] -= dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                                    cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    for j in range(k + 1):
                                        matrix_r[(j*krylov + k)*tile + r] += dots_r[j*tile + r]
                                cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                total = constants[0]
                                for a in range(begin*state, end*state):
                                    total += image[a*tile + r]*image[a*tile + r]
                                after_r[(0)*tile + r] = total
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                after_r[(0)*tile + r] = math.sqrt(after_r[(0)*tile + r])
                                if not after_r[(0)*tile + r] > limits[0]*math.sqrt(before_r[(0)*tile + r]):  # nothing new: the directions span the solution
                                    after_r[(0)*tile + r] = c0
                                factor_r[(0)*tile + r] = c1/after_r[(0)*tile + r] if after_r[(0)*tile + r] > c0 else c0
                                for j in range(k):
                                    above, below = matrix_r[(j*krylov + k)*tile + r], matrix_r[((j + 1)*krylov + k)*tile + r]
                                    matrix_r[(j*krylov + k)*tile + r] = cosine_r[j*tile + r]*above + sine_r[j*tile + r]*below
                                    matrix_r[((j + 1)*krylov + k)*tile + r] = cosine_r[j*tile + r]*below - sine_r[j*tile + r]*above
                                above = matrix_r[(k*krylov + k)*tile + r]
                                length = math.sqrt(above*above + after_r[(0)*tile + r]*after_r[(0)*tile + r])
                                cosine_r[k*tile + r] = above/length if length > c0 else c1
                                sine_r[k*tile + r] = after_r[(0)*tile + r]/length if length > c0 else c0
                                matrix_r[(k*krylov + k)*tile + r] = length
                                rest_r[(k + 1)*tile + r] = -sine_r[k*tile + r]*rest_r[k*tile + r]
                                rest_r[k*tile + r] = cosine_r[k*tile + r]*rest_r[k*tile + r]
                                live_r[(0)*tile + r] = c1 if math.fabs(rest_r[(k + 1)*tile + r]) > reach_r[(0)*tile + r] else c0
                            cuda.syncthreads()
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    directions[((k + 1)*stages*state + a)*tile + r] = factor_r[(0)*tile + r]*image[a*tile + r]
                            cuda.syncthreads()
                            used = k + 1
                            wanted = 0
                            for r in range(row*columns + column, count, rows*columns):
                                if live_r[(0)*tile + r] == c1:
                                    wanted = 1
                            wanted = cuda.syncthreads_or(wanted)
                            if not wanted:
                                break
                    if used == 0:
                        break
                    for r in range(row*columns + column, count, rows*columns):
                        for back in range(used):
                            j = used - 1 - back
                            total = rest_r[j*tile + r]
                            for l in range(j + 1, used):
                                total -= matrix_r[(j*krylov + l)*tile + r]*dots_r[l*tile + r]
                            pivot = matrix_r[(j*krylov + j)*tile + r]
                            dots_r[j*tile + r] = total/pivot if pivot != c0 else c0
                    cuda.syncthreads()
                    for j in range(used):
                        for a in range(begin*state + row, end*state, rows):
                            for r in range(column, count, columns):
                                solution[a*tile + r] += dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                        cuda.syncthreads()
                for i in range(begin, end):
                    slot = n*stages + i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    for a in range(0 + row, state, rows):
                        for r in range(column, count, columns):
                            bar_m[(i*state + a)*tile + r] = solution[(i*state + a)*tile + r]
                    cuda.syncthreads()
                for i in range(end - 1, begin - 1, -1):
                    slot = n*stages + i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    # R̄ = Aᵀ m_ī
                    product(A.shape[1], channels, count, tile, 1, A.shape[0],
                            A, 0, 1, 0, A.shape[1],
                            bar_m, i*state*tile, 0, channels*tile, tile, 1,
                            bar_R, 0, channels*tile, tile, 1, False, constants, staged)
                    cuda.syncthreads()
                    # Ū, e_s̄, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                    for a in range(row, node, rows):
                        for r in range(column, count, columns):
                            h_q = Z[slot, a, first + r]
                            f1_q = F1[slot, a, first + r]
                            v_q = bar_R[a*tile + r]
                            t0 = f1_q*f1_q
                            t1 = (c1 + (c2*t0))*v_q
                            t2 = h_q*h_q
                            value_bar_U = t1
                            bar_U[a*tile + r] = value_bar_U
                            value_bar_Z = ((c3*t2)*v_q)
                            bar_Z[a*tile + r] = value_bar_Z
                    cuda.syncthreads()
                    # e_s̄: Ū, summed over the tile's records
                    summed(wide, count, bar_U, 0, tile, bar_biases[block, bias], constants, staged)
                    cuda.syncthreads()
                    # H_ī = Xᵀ Z̄
                    product(X.shape[1], channels, count, tile, 1, X.shape[0],
                            X, 0, 1, 0, X.shape[1],
                            bar_Z, 0, 0, channels*tile, tile, 1,
                            bar_H, 0, channels*tile, tile, 1, False, constants, staged)
                    cuda.syncthreads()
                    # gradient of E_s: += Ū H_iᵀ, summed over records
                    product(wide, 1, state, 0, 1, count,
                            bar_U, 0, tile, 0, 1,
                            H[slot], first, 0, 1, 0, records,
                            bar_operators[block, operator], 0, state, 0, 1, True, constants, staged)
                    cuda.syncthreads()
                    # H_ī += E_sᵀ Ū
                    product(state, 1, count, 0, 1, wide,
                            operators[operator], 0, 1, 0, state,
                            bar_U, 0, 0, tile, 0, 1,
                            bar_H, 0, tile, 0, 1, True, constants, staged)
                    cuda.syncthreads()
                    # m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i
                    for a in range(row, state, rows):
                        for r in range(column, count, columns):
                            bar_h[a*tile + r] += combine[n, i, 0]*bar_H[a*tile + r]
                            for j in range(begin):
                                bar_m[(j*state + a)*tile + r] += combine[n, i, j + 1]*bar_H[a*tile + r]
                    cuda.syncthreads()
            for a in range(0 + row, state, rows):
                for r in range(column, count, columns):
                    bar[a, first + r] = bar_h[a*tile + r]
            cuda.syncthreads()


def factors_operators_1(w, theta, beta, vartheta, Psi, constants, channels, mixed_bias, operators, biases):
    """w_s = Σ_k θ_k(δ_s) w_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"""
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    thread, threads = row*columns + column, rows*columns
    for s in range(block, operators.shape[0], blocks):
        # Σ_k theta_sk w_k
        for a in range(row, w.shape[1], rows):
            for d in range(column, w.shape[2], columns):
                total = constants[0]
                for k in range(theta.shape[1]):
                    total += theta[s, k]*w[k, a, d]
                operators[s, a, d] = total
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
        for c in range(channels):
            for a in range(thread, Psi.shape[0], threads):
                total = constants[0]
                for b in range(Psi.shape[1]):
                    total += Psi[a, b]*mixed_bias[s, b*channels + c]
                biases[s, a*channels + c] = total
        cuda.syncthreads()


def factors_operators_adjoint_1(bar_operators, bar_biases, Psi, constants, channels, mixed, mixed_bias):
    """The adjoint of: w_s = Σ_k θ_k(δ_s) w_k,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)   (11)"""
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    thread, threads = row*columns + column, rows*columns
    for s in range(block, bar_operators.shape[0], blocks):
        for a in range(row, mixed.shape[1], rows):
            for d in range(column, mixed.shape[2], columns):
                mixed[s, a, d] = bar_operators[s, a, d]
        cuda.syncthreads()
    for s in range(block, bar_biases.shape[0], blocks):
        # β_s̄ = Ψᵀ e_s̄
        for c in range(channels):
            for a in range(thread, Psi.shape[1], threads):
                total = constants[0]
                for b in range(Psi.shape[0]):
                    total += Psi[b, a]*bar_biases[s, b*channels + c]
                mixed_bias[s, a*channels + c] = total
        cuda.syncthreads()


def factors_forward_1(
    h, combine, operator_index, bias_index, operators, biases, Phi, C, C_runs, X, A, groups, limits, iterations, cycles, krylov, constants, channels, workspace, keep, F1, G, Z, unsolved,
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
    state, node, wide = h.shape[0], biases.shape[1], biases.shape[1]
    weight_out, weight_in = operators.shape[1], operators.shape[2]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    block, blocks = cuda.blockIdx.x, cuda.gridDim.x
    staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)
    tile = 4*columns
    room, start = workspace[block], 0  # working memory, array after array
    m, start = room[start:], start + (stages*state)*tile
    H, start = room[start:], start + (stages*state)*tile
    R, start = room[start:], start + node*tile
    T, start = room[start:], start + weight_out*tile
    U, start = room[start:], start + wide*tile
    dot_G, start = room[start:], start + weight_in*tile
    dot_R, start = room[start:], start + node*tile
    dot_T, start = room[start:], start + weight_out*tile
    dot_U, start = room[start:], start + wide*tile
    dot_Z, start = room[start:], start + node*tile
    given_vector, start = room[start:], start + (stages*state)*tile
    solution, start = room[start:], start + (stages*state)*tile
    image, start = room[start:], start + (stages*state)*tile
    moved, start = room[start:], start + (stages*state)*tile
    known, start = room[start:], start + (stages*state)*tile
    change, start = room[start:], start + (stages*state)*tile
    error_r, start = room[start:], start + (1)*tile
    live_r, start = room[start:], start + (1)*tile
    reach_r, start = room[start:], start + (1)*tile
    last_r, start = room[start:], start + (1)*tile
    factor_r, start = room[start:], start + (1)*tile
    before_r, start = room[start:], start + (1)*tile
    after_r, start = room[start:], start + (1)*tile
    size_r, start = room[start:], start + (1)*tile
    old_r, start = room[start:], start + (1)*tile
    damping_r, start = room[start:], start + (1)*tile
    residue_r, start = room[start:], start + (1)*tile
    dots_r, start = room[start:], start + ((krylov + 1))*tile
    cosine_r, start = room[start:], start + krylov*tile
    sine_r, start = room[start:], start + krylov*tile
    rest_r, start = room[start:], start + ((krylov + 1))*tile
    matrix_r, start = room[start:], start + (((krylov + 1)*krylov))*tile
    directions, start = room[start:], start + ((krylov + 1)*stages*state)*tile
    for first in range(block*tile, records, blocks*tile):
        count = min(tile, records - first)
        for n in range(steps):
            for group in range(groups.shape[0]):
                begin, end = groups[group, 0], groups[group, 1]
                # the first guess: what earlier stages say
                for i in range(begin, end):
                    slot = n*stages + i if keep else i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    for a in range(0 + row, state, rows):
                        for r in range(column, count, columns):
                            total = combine[n, i, 0]*h[a, first + r]
                            for j in range(begin):
                                total += combine[n, i, j + 1]*m[(j*state + a)*tile + r]
                            known[(i*state + a)*tile + r] = total
                            H[(i*state + a)*tile + r] = total
                    cuda.syncthreads()
                for iteration in range(iterations):
                    for i in range(begin, end):
                        slot = n*stages + i if keep else i
                        operator, bias = operator_index[n, i], bias_index[n, i]
                        # G = C H_i
                        for c in range(channels):
                            for a in range(row, C.shape[0], rows):
                                for r in range(column, count, columns):
                                    total = constants[0]
                                    for b in range(C_runs[a, 0], C_runs[a, 1]):
                                        total += C[a, b]*H[(i*state + b*channels + c)*tile + r]
                                    G[slot, a*channels + c, first + r] = total
                        cuda.syncthreads()
                        # T = w_s G
                        product(weight_out, 1, count, 0, 1, weight_in,
                                operators[operator], 0, weight_in, 0, 1,
                                G[slot], first, 0, records, 0, 1,
                                T, 0, tile, 0, 1, False, constants, staged)
                        cuda.syncthreads()
                        # U = Φ T
                        product(Phi.shape[0], channels, count, tile, 1, Phi.shape[1],
                                Phi, 0, Phi.shape[1], 0, 1,
                                T, 0, 0, channels*tile, tile, 1,
                                U, 0, channels*tile, tile, 1, False, constants, staged)
                        cuda.syncthreads()
                        # Z = X H_i
                        product(X.shape[0], channels, count, tile, 1, X.shape[1],
                                X, 0, X.shape[1], 0, 1,
                                H, i*state*tile, 0, channels*tile, tile, 1,
                                Z[slot], first, channels*records, records, 1, False, constants, staged)
                        cuda.syncthreads()
                        # R, F1 at every node and record, u = U + e_s, h = Z
                        for a in range(row, wide, rows):
                            for r in range(column, count, columns):
                                u_q = U[a*tile + r] + biases[bias, a]
                                h_q = Z[slot, a, first + r]
                                t0 = h_q*h_q
                                t1 = h_q*t0
                                t2 = math.tanh(u_q)
                                value_R = ((c2*t1) + t2)
                                R[a*tile + r] = value_R
                                value_F1 = t2
                                F1[slot, a, first + r] = value_F1
                        cuda.syncthreads()
                        # m_i = A R
                        product(A.shape[0], channels, count, tile, 1, A.shape[1],
                                A, 0, A.shape[1], 0, 1,
                                R, 0, 0, channels*tile, tile, 1,
                                m, i*state*tile, channels*tile, tile, 1, False, constants, staged)
                        cuda.syncthreads()
                    # residual: α_i h + Σ_j γ_ij m_j − H_i
                    for i in range(begin, end):
                        slot = n*stages + i if keep else i
                        operator, bias = operator_index[n, i], bias_index[n, i]
                        for a in range(0 + row, state, rows):
                            for r in range(column, count, columns):
                                total = known[(i*state + a)*tile + r]
                                for j in range(begin, end):
                                    total += combine[n, i, j + 1]*m[(j*state + a)*tile + r]
                                solution[(i*state + a)*tile + r] = total
                                given_vector[(i*state + a)*tile + r] = total - H[(i*state + a)*tile + r]
                        cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        total = constants[0]
                        for a in range(begin*state, end*state):
                            total += given_vector[a*tile + r]*given_vector[a*tile + r]
                        error_r[(0)*tile + r] = total
                    cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        total = constants[0]
                        for a in range(begin*state, end*state):
                            total += solution[a*tile + r]*solution[a*tile + r]
                        size_r[(0)*tile + r] = total
                    cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        total = constants[0]
                        for a in range(begin*state, end*state):
                            total += known[a*tile + r]*known[a*tile + r]
                        before_r[(0)*tile + r] = total
                    cuda.syncthreads()
                    for r in range(row*columns + column, count, rows*columns):
                        error_r[(0)*tile + r] = math.sqrt(error_r[(0)*tile + r])
                        size_r[(0)*tile + r] = math.sqrt(size_r[(0)*tile + r]) + math.sqrt(before_r[(0)*tile + r])
                        residue_r[(0)*tile + r] = error_r[(0)*tile + r]/size_r[(0)*tile + r] if size_r[(0)*tile + r] > c0 else error_r[(0)*tile + r]
                        stuck = iteration > 0 and c5*error_r[(0)*tile + r] > old_r[(0)*tile + r] and old_r[(0)*tile + r] <= limits[2]*size_r[(0)*tile + r]
                        if not error_r[(0)*tile + r] > limits[0]*size_r[(0)*tile + r] or stuck:  # as good as rounding allows
                            damping_r[(0)*tile + r] = c0
                        elif iteration > 0 and not error_r[(0)*tile + r] < old_r[(0)*tile + r]:  # half of the correction; given up when that is nothing
                            damping_r[(0)*tile + r] = damping_r[(0)*tile + r]/c5 if damping_r[(0)*tile + r] > c6 else c0
                        else:
                            old_r[(0)*tile + r] = error_r[(0)*tile + r]
                            damping_r[(0)*tile + r] = c1
                        live_r[(0)*tile + r] = c1 if damping_r[(0)*tile + r] > c0 else c0
                    cuda.syncthreads()
                    wanted = 0
                    for r in range(row*columns + column, count, rows*columns):
                        if live_r[(0)*tile + r] == c1:
                            wanted = 1
                    wanted = cuda.syncthreads_or(wanted)
                    if not wanted:
                        break
                    for a in range(begin*state + row, end*state, rows):
                        for r in range(column, count, columns):
                            given_vector[a*tile + r] *= c1 if damping_r[(0)*tile + r] == c1 else c0
                    cuda.syncthreads()
                    for a in range(begin*state + row, end*state, rows):
                        for r in range(column, count, columns):
                            solution[a*tile + r] = c0
                    cuda.syncthreads()
                    for cycle in range(cycles):
                        for a in range(begin*state + row, end*state, rows):
                            for r in range(column, count, columns):
                                directions[((0)*stages*state + a)*tile + r] = solution[a*tile + r]
                        cuda.syncthreads()
                        used = 0
                        for step in range(krylov + 1):
                            k = max(step - 1, 0)
                            if step > 0 or cycle > 0:
                                for i in range(begin, end):
                                    slot = n*stages + i if keep else i
                                    operator, bias = operator_index[n, i], bias_index[n, i]
                                    # dG = C dH_i
                                    for c in range(channels):
                                        for a in range(row, C.shape[0], rows):
                                            for r in range(column, count, columns):
                                                total = constants[0]
                                                for b in range(C_runs[a, 0], C_runs[a, 1]):
                                                    total += C[a, b]*directions[(k*stages*state + i*state + b*channels + c)*tile + r]
                                                dot_G[(a*channels + c)*tile + r] = total
                                    cuda.syncthreads()
                                    # dT = w_s dG
                                    product(weight_out, 1, count, 0, 1, weight_in,
                                            operators[operator], 0, weight_in, 0, 1,
                                            dot_G, 0, 0, tile, 0, 1,
                                            dot_T, 0, tile, 0, 1, False, constants, staged)
                                    cuda.syncthreads()
                                    # dU = Φ dT
                                    product(Phi.shape[0], channels, count, tile, 1, Phi.shape[1],
                                            Phi, 0, Phi.shape[1], 0, 1,
                                            dot_T, 0, 0, channels*tile, tile, 1,
                                            dot_U, 0, channels*tile, tile, 1, False, constants, staged)
                                    cuda.syncthreads()
                                    # dZ = X dH_i
                                    product(X.shape[0], channels, count, tile, 1, X.shape[1],
                                            X, 0, X.shape[1], 0, 1,
                                            directions, (k*stages*state + i*state)*tile, 0, channels*tile, tile, 1,
                                            dot_Z, 0, channels*tile, tile, 1, False, constants, staged)
                                    cuda.syncthreads()
                                    # dR at every node and record, h = Z, f1 = F1, v1 = dU, v2 = dZ
                                    for a in range(row, node, rows):
                                        for r in range(column, count, columns):
                                            h_q = Z[slot, a, first + r]
                                            f1_q = F1[slot, a, first + r]
                                            v1_q = dot_U[a*tile + r]
                                            v2_q = dot_Z[a*tile + r]
                                            t0 = f1_q*f1_q
                                            t1 = h_q*h_q
                                            value_dot_R = (((c1 + (c3*t0))*v1_q) + ((c4*t1)*v2_q))
                                            dot_R[a*tile + r] = value_dot_R
                                    cuda.syncthreads()
                                    # dm_i = A dR
                                    product(A.shape[0], channels, count, tile, 1, A.shape[1],
                                            A, 0, A.shape[1], 0, 1,
                                            dot_R, 0, 0, channels*tile, tile, 1,
                                            moved, i*state*tile, channels*tile, tile, 1, False, constants, staged)
                                    cuda.syncthreads()
                                for i in range(begin, end):
                                    slot = n*stages + i if keep else i
                                    operator, bias = operator_index[n, i], bias_index[n, i]
                                    for a in range(0 + row, state, rows):
                                        for r in range(column, count, columns):
                                            total = directions[(k*stages*state + i*state + a)*tile + r]
                                            for j in range(begin, end):
                                                total -= combine[n, i, j + 1]*moved[(j*state + a)*tile + r]
                                            image[(i*state + a)*tile + r] = total
                                    cuda.syncthreads()
                            if step == 0:  # what is left of the right side
                                for a in range(begin*state + row, end*state, rows):
                                    for r in range(column, count, columns):
                                        value = given_vector[a*tile + r]
                                        if cycle > 0:
                                            value -= image[a*tile + r]
                                        directions[((0)*stages*state + a)*tile + r] = value
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    total = constants[0]
                                    for a in range(begin*state, end*state):
                                        total += directions[((0)*stages*state + a)*tile + r]*directions[((0)*stages*state + a)*tile + r]
                                    error_r[(0)*tile + r] = total
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    error_r[(0)*tile + r] = math.sqrt(error_r[(0)*tile + r])
                                    if cycle == 0:
                                        reach_r[(0)*tile + r] = limits[1]*error_r[(0)*tile + r]
                                        last_r[(0)*tile + r] = c5*error_r[(0)*tile + r] + error_r[(0)*tile + r]
                                    live_r[(0)*tile + r] = c1 if error_r[(0)*tile + r] > reach_r[(0)*tile + r] and c5*error_r[(0)*tile + r] < last_r[(0)*tile + r] else c0
                                    last_r[(0)*tile + r] = error_r[(0)*tile + r]
                                    rest_r[(0)*tile + r] = error_r[(0)*tile + r]
                                    factor_r[(0)*tile + r] = c1/error_r[(0)*tile + r] if live_r[(0)*tile + r] == c1 else c0
                                cuda.syncthreads()
                                wanted = 0
                                for r in range(row*columns + column, count, rows*columns):
                                    if live_r[(0)*tile + r] == c1:
                                        wanted = 1
                                wanted = cuda.syncthreads_or(wanted)
                                if not wanted:
                                    break
                                for a in range(begin*state + row, end*state, rows):
                                    for r in range(column, count, columns):
                                        directions[((0)*stages*state + a)*tile + r] *= factor_r[(0)*tile + r]
                                cuda.syncthreads()
                            else:
                                for r in range(row*columns + column, count, rows*columns):
                                    total = constants[0]
                                    for a in range(begin*state, end*state):
                                        total += image[a*tile + r]*image[a*tile + r]
                                    before_r[(0)*tile + r] = total
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    for j in range(k + 2):
                                        matrix_r[(j*krylov + k)*tile + r] = c0
                                cuda.syncthreads()
                                for repeat in range(2):
                                    for j in range(k + 1):
                                        for r in range(row*columns + column, count, rows*columns):
                                            total = constants[0]
                                            for a in range(begin*state, end*state):
                                                total += directions[(j*stages*state + a)*tile + r]*image[a*tile + r]
                                            dots_r[j*tile + r] = total
                                        cuda.syncthreads()
                                    for j in range(k + 1):
                                        for a in range(begin*state + row, end*state, rows):
                                            for r in range(column, count, columns):
                                                image[a*tile + r] -= dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                                        cuda.syncthreads()
                                    for r in range(row*columns + column, count, rows*columns):
                                        for j in range(k + 1):
                                            matrix_r[(j*krylov + k)*tile + r] += dots_r[j*tile + r]
                                    cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    total = constants[0]
                                    for a in range(begin*state, end*state):
                                        total += image[a*tile + r]*image[a*tile + r]
                                    after_r[(0)*tile + r] = total
                                cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    after_r[(0)*tile + r] = math.sqrt(after_r[(0)*tile + r])
                                    if not after_r[(0)*tile + r] > limits[0]*math.sqrt(before_r[(0)*tile + r]):  # nothing new: the directions span the solution
                                        after_r[(0)*tile + r] = c0
                                    factor_r[(0)*tile + r] = c1/after_r[(0)*tile + r] if after_r[(0)*tile + r] > c0 else c0
                                    for j in range(k):
                                        above, below = matrix_r[(j*krylov + k)*tile + r], matrix_r[((j + 1)*krylov + k)*tile + r]
                                        matrix_r[(j*krylov + k)*tile + r] = cosine_r[j*tile + r]*above + sine_r[j*tile + r]*below
                                        matrix_r[((j + 1)*krylov + k)*tile + r] = cosine_r[j*tile + r]*below - sine_r[j*tile + r]*above
                                    above = matrix_r[(k*krylov + k)*tile + r]
                                    length = math.sqrt(above*above + after_r[(0)*tile + r]*after_r[(0)*tile + r])
                                    cosine_r[k*tile + r] = above/length if length > c0 else c1
                                    sine_r[k*tile + r] = after_r[(0)*tile + r]/length if length > c0 else c0
                                    matrix_r[(k*krylov + k)*tile + r] = length
                                    rest_r[(k + 1)*tile + r] = -sine_r[k*tile + r]*rest_r[k*tile + r]
                                    rest_r[k*tile + r] = cosine_r[k*tile + r]*rest_r[k*tile + r]
                                    live_r[(0)*tile + r] = c1 if math.fabs(rest_r[(k + 1)*tile + r]) > reach_r[(0)*tile + r] else c0
                                cuda.syncthreads()
                                for a in range(begin*state + row, end*state, rows):
                                    for r in range(column, count, columns):
                                        directions[((k + 1)*stages*state + a)*tile + r] = factor_r[(0)*tile + r]*image[a*tile + r]
                                cuda.syncthreads()
                                used = k + 1
                                wanted = 0
                                for r in range(row*columns + column, count, rows*columns):
                                    if live_r[(0)*tile + r] == c1:
                                        wanted = 1
                                wanted = cuda.syncthreads_or(wanted)
                                if not wanted:
                                    break
                        if used == 0:
                            break
                        for r in range(row*columns + column, count, rows*columns):
                            for back in range(used):
                                j = used - 1 - back
                                total = rest_r[j*tile + r]
                                for l in range(j + 1, used):
                                    total -= matrix_r[(j*krylov + l)*tile + r]*dots_r[l*tile + r]
                                pivot = matrix_r[(j*krylov + j)*tile + r]
                                dots_r[j*tile + r] = total/pivot if pivot != c0 else c0
                        cuda.syncthreads()
                        for j in range(used):
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    solution[a*tile + r] += dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                            cuda.syncthreads()
                    for i in range(begin, end):
                        slot = n*stages + i if keep else i
                        operator, bias = operator_index[n, i], bias_index[n, i]
                        for a in range(0 + row, state, rows):
                            for r in range(column, count, columns):
                                if damping_r[(0)*tile + r] == c1:
                                    change[(i*state + a)*tile + r] = solution[(i*state + a)*tile + r]
                                    H[(i*state + a)*tile + r] += solution[(i*state + a)*tile + r]
                                elif damping_r[(0)*tile + r] > c0:
                                    H[(i*state + a)*tile + r] -= damping_r[(0)*tile + r]*change[(i*state + a)*tile + r]
                        cuda.syncthreads()
                for r in range(row*columns + column, count, rows*columns):
                    if not residue_r[(0)*tile + r] <= unsolved[first + r]:
                        unsolved[first + r] = residue_r[(0)*tile + r]
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
    bar, combine, operator_index, bias_index, operators, biases, Phi, C, C_columns, X, A, groups, limits, cycles, krylov, constants, channels, workspace, F1, G, Z, bar_operators, bar_biases,
):
    """bar ← dL/dh(start), and the gradients of operators and biases   (10), (11)."""
    c0 = constants[0]  # 0
    c1 = constants[1]  # 1
    c2 = constants[2]  # -1
    c3 = constants[3]  # -12
    c4 = constants[4]  # 2
    steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]
    state, node, wide = bar.shape[0], biases.shape[1], biases.shape[1]
    weight_out, weight_in = operators.shape[1], operators.shape[2]
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
    bar_U, start = room[start:], start + wide*tile
    bar_Z, start = room[start:], start + node*tile
    given_vector, start = room[start:], start + (stages*state)*tile
    solution, start = room[start:], start + (stages*state)*tile
    image, start = room[start:], start + (stages*state)*tile
    moved, start = room[start:], start + (stages*state)*tile
    error_r, start = room[start:], start + (1)*tile
    live_r, start = room[start:], start + (1)*tile
    reach_r, start = room[start:], start + (1)*tile
    last_r, start = room[start:], start + (1)*tile
    factor_r, start = room[start:], start + (1)*tile
    before_r, start = room[start:], start + (1)*tile
    after_r, start = room[start:], start + (1)*tile
    dots_r, start = room[start:], start + ((krylov + 1))*tile
    cosine_r, start = room[start:], start + krylov*tile
    sine_r, start = room[start:], start + krylov*tile
    rest_r, start = room[start:], start + ((krylov + 1))*tile
    matrix_r, start = room[start:], start + (((krylov + 1)*krylov))*tile
    directions, start = room[start:], start + ((krylov + 1)*stages*state)*tile
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
            for group in range(groups.shape[0] - 1, -1, -1):
                begin, end = groups[group, 0], groups[group, 1]
                for i in range(begin, end):
                    slot = n*stages + i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    for a in range(0 + row, state, rows):
                        for r in range(column, count, columns):
                            given_vector[(i*state + a)*tile + r] = bar_m[(i*state + a)*tile + r]
                    cuda.syncthreads()
                for a in range(begin*state + row, end*state, rows):
                    for r in range(column, count, columns):
                        solution[a*tile + r] = c0
                cuda.syncthreads()
                for cycle in range(cycles):
                    for a in range(begin*state + row, end*state, rows):
                        for r in range(column, count, columns):
                            directions[((0)*stages*state + a)*tile + r] = solution[a*tile + r]
                    cuda.syncthreads()
                    used = 0
                    for step in range(krylov + 1):
                        k = max(step - 1, 0)
                        if step > 0 or cycle > 0:
                            for i in range(begin, end):
                                slot = n*stages + i
                                operator, bias = operator_index[n, i], bias_index[n, i]
                                # R̄ = Aᵀ m_ī
                                product(A.shape[1], channels, count, tile, 1, A.shape[0],
                                        A, 0, 1, 0, A.shape[1],
                                        directions, (k*stages*state + i*state)*tile, 0, channels*tile, tile, 1,
                                        bar_R, 0, channels*tile, tile, 1, False, constants, staged)
                                cuda.syncthreads()
                                # Ū, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                                for a in range(row, node, rows):
                                    for r in range(column, count, columns):
                                        h_q = Z[slot, a, first + r]
                                        f1_q = F1[slot, a, first + r]
                                        v_q = bar_R[a*tile + r]
                                        t0 = f1_q*f1_q
                                        t1 = h_q*h_q
                                        value_bar_U = ((c1 + (c2*t0))*v_q)
                                        bar_U[a*tile + r] = value_bar_U
                                        value_bar_Z = ((c3*t1)*v_q)
                                        bar_Z[a*tile + r] = value_bar_Z
                                cuda.syncthreads()
                                # H_ī = Xᵀ Z̄
                                product(X.shape[1], channels, count, tile, 1, X.shape[0],
                                        X, 0, 1, 0, X.shape[1],
                                        bar_Z, 0, 0, channels*tile, tile, 1,
                                        moved, i*state*tile, channels*tile, tile, 1, False, constants, staged)
                                cuda.syncthreads()
                                # T̄ = Φᵀ Ū
                                product(Phi.shape[1], channels, count, tile, 1, Phi.shape[0],
                                        Phi, 0, 1, 0, Phi.shape[1],
                                        bar_U, 0, 0, channels*tile, tile, 1,
                                        bar_T, 0, channels*tile, tile, 1, False, constants, staged)
                                cuda.syncthreads()
                                # Ḡ = w_sᵀ T̄
                                product(weight_in, 1, count, 0, 1, weight_out,
                                        operators[operator], 0, 1, 0, weight_in,
                                        bar_T, 0, 0, tile, 0, 1,
                                        bar_G, 0, tile, 0, 1, False, constants, staged)
                                cuda.syncthreads()
                                # H_ī += Cᵀ Ḡ
                                for c in range(channels):
                                    for a in range(row, C.shape[1], rows):
                                        for r in range(column, count, columns):
                                            total = constants[0]
                                            for b in range(C_columns[a, 0], C_columns[a, 1]):
                                                total += C[b, a]*bar_G[(b*channels + c)*tile + r]
                                            moved[(i*state + a*channels + c)*tile + r] += total
                                cuda.syncthreads()
                            for i in range(begin, end):
                                slot = n*stages + i
                                operator, bias = operator_index[n, i], bias_index[n, i]
                                for a in range(0 + row, state, rows):
                                    for r in range(column, count, columns):
                                        total = directions[(k*stages*state + i*state + a)*tile + r]
                                        for j in range(begin, end):
                                            total -= combine[n, j, i + 1]*moved[(j*state + a)*tile + r]
                                        image[(i*state + a)*tile + r] = total
                                cuda.syncthreads()
                        if step == 0:  # what is left of the right side
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    value = given_vector[a*tile + r]
                                    if cycle > 0:
                                        value -= image[a*tile + r]
                                    directions[((0)*stages*state + a)*tile + r] = value
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                total = constants[0]
                                for a in range(begin*state, end*state):
                                    total += directions[((0)*stages*state + a)*tile + r]*directions[((0)*stages*state + a)*tile + r]
                                error_r[(0)*tile + r] = total
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                error_r[(0)*tile + r] = math.sqrt(error_r[(0)*tile + r])
                                if cycle == 0:
                                    reach_r[(0)*tile + r] = limits[3]*error_r[(0)*tile + r]
                                    last_r[(0)*tile + r] = c4*error_r[(0)*tile + r] + error_r[(0)*tile + r]
                                live_r[(0)*tile + r] = c1 if error_r[(0)*tile + r] > reach_r[(0)*tile + r] and c4*error_r[(0)*tile + r] < last_r[(0)*tile + r] else c0
                                last_r[(0)*tile + r] = error_r[(0)*tile + r]
                                rest_r[(0)*tile + r] = error_r[(0)*tile + r]
                                factor_r[(0)*tile + r] = c1/error_r[(0)*tile + r] if live_r[(0)*tile + r] == c1 else c0
                            cuda.syncthreads()
                            wanted = 0
                            for r in range(row*columns + column, count, rows*columns):
                                if live_r[(0)*tile + r] == c1:
                                    wanted = 1
                            wanted = cuda.syncthreads_or(wanted)
                            if not wanted:
                                break
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    directions[((0)*stages*state + a)*tile + r] *= factor_r[(0)*tile + r]
                            cuda.syncthreads()
                        else:
                            for r in range(row*columns + column, count, rows*columns):
                                total = constants[0]
                                for a in range(begin*state, end*state):
                                    total += image[a*tile + r]*image[a*tile + r]
                                before_r[(0)*tile + r] = total
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                for j in range(k + 2):
                                    matrix_r[(j*krylov + k)*tile + r] = c0
                            cuda.syncthreads()
                            for repeat in range(2):
                                for j in range(k + 1):
                                    for r in range(row*columns + column, count, rows*columns):
                                        total = constants[0]
                                        for a in range(begin*state, end*state):
                                            total += directions[(j*stages*state + a)*tile + r]*image[a*tile + r]
                                        dots_r[j*tile + r] = total
                                    cuda.syncthreads()
                                for j in range(k + 1):
                                    for a in range(begin*state + row, end*state, rows):
                                        for r in range(column, count, columns):
                                            image[a*tile + r] -= dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                                    cuda.syncthreads()
                                for r in range(row*columns + column, count, rows*columns):
                                    for j in range(k + 1):
                                        matrix_r[(j*krylov + k)*tile + r] += dots_r[j*tile + r]
                                cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                total = constants[0]
                                for a in range(begin*state, end*state):
                                    total += image[a*tile + r]*image[a*tile + r]
                                after_r[(0)*tile + r] = total
                            cuda.syncthreads()
                            for r in range(row*columns + column, count, rows*columns):
                                after_r[(0)*tile + r] = math.sqrt(after_r[(0)*tile + r])
                                if not after_r[(0)*tile + r] > limits[0]*math.sqrt(before_r[(0)*tile + r]):  # nothing new: the directions span the solution
                                    after_r[(0)*tile + r] = c0
                                factor_r[(0)*tile + r] = c1/after_r[(0)*tile + r] if after_r[(0)*tile + r] > c0 else c0
                                for j in range(k):
                                    above, below = matrix_r[(j*krylov + k)*tile + r], matrix_r[((j + 1)*krylov + k)*tile + r]
                                    matrix_r[(j*krylov + k)*tile + r] = cosine_r[j*tile + r]*above + sine_r[j*tile + r]*below
                                    matrix_r[((j + 1)*krylov + k)*tile + r] = cosine_r[j*tile + r]*below - sine_r[j*tile + r]*above
                                above = matrix_r[(k*krylov + k)*tile + r]
                                length = math.sqrt(above*above + after_r[(0)*tile + r]*after_r[(0)*tile + r])
                                cosine_r[k*tile + r] = above/length if length > c0 else c1
                                sine_r[k*tile + r] = after_r[(0)*tile + r]/length if length > c0 else c0
                                matrix_r[(k*krylov + k)*tile + r] = length
                                rest_r[(k + 1)*tile + r] = -sine_r[k*tile + r]*rest_r[k*tile + r]
                                rest_r[k*tile + r] = cosine_r[k*tile + r]*rest_r[k*tile + r]
                                live_r[(0)*tile + r] = c1 if math.fabs(rest_r[(k + 1)*tile + r]) > reach_r[(0)*tile + r] else c0
                            cuda.syncthreads()
                            for a in range(begin*state + row, end*state, rows):
                                for r in range(column, count, columns):
                                    directions[((k + 1)*stages*state + a)*tile + r] = factor_r[(0)*tile + r]*image[a*tile + r]
                            cuda.syncthreads()
                            used = k + 1
                            wanted = 0
                            for r in range(row*columns + column, count, rows*columns):
                                if live_r[(0)*tile + r] == c1:
                                    wanted = 1
                            wanted = cuda.syncthreads_or(wanted)
                            if not wanted:
                                break
                    if used == 0:
                        break
                    for r in range(row*columns + column, count, rows*columns):
                        for back in range(used):
                            j = used - 1 - back
                            total = rest_r[j*tile + r]
                            for l in range(j + 1, used):
                                total -= matrix_r[(j*krylov + l)*tile + r]*dots_r[l*tile + r]
                            pivot = matrix_r[(j*krylov + j)*tile + r]
                            dots_r[j*tile + r] = total/pivot if pivot != c0 else c0
                    cuda.syncthreads()
                    for j in range(used):
                        for a in range(begin*state + row, end*state, rows):
                            for r in range(column, count, columns):
                                solution[a*tile + r] += dots_r[j*tile + r]*directions[(j*stages*state + a)*tile + r]
                        cuda.syncthreads()
                for i in range(begin, end):
                    slot = n*stages + i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    for a in range(0 + row, state, rows):
                        for r in range(column, count, columns):
                            bar_m[(i*state + a)*tile + r] = solution[(i*state + a)*tile + r]
                    cuda.syncthreads()
                for i in range(end - 1, begin - 1, -1):
                    slot = n*stages + i
                    operator, bias = operator_index[n, i], bias_index[n, i]
                    # R̄ = Aᵀ m_ī
                    product(A.shape[1], channels, count, tile, 1, A.shape[0],
                            A, 0, 1, 0, A.shape[1],
                            bar_m, i*state*tile, 0, channels*tile, tile, 1,
                            bar_R, 0, channels*tile, tile, 1, False, constants, staged)
                    cuda.syncthreads()
                    # Ū, e_s̄, Z̄ at every node and record, h = Z, f1 = F1, v = R̄
                    for a in range(row, node, rows):
                        for r in range(column, count, columns):
                            h_q = Z[slot, a, first + r]
                            f1_q = F1[slot, a, first + r]
                            v_q = bar_R[a*tile + r]
                            t0 = f1_q*f1_q
                            t1 = (c1 + (c2*t0))*v_q
                            t2 = h_q*h_q
                            value_bar_U = t1
                            bar_U[a*tile + r] = value_bar_U
                            value_bar_Z = ((c3*t2)*v_q)
                            bar_Z[a*tile + r] = value_bar_Z
                    cuda.syncthreads()
                    # e_s̄: Ū, summed over the tile's records
                    summed(wide, count, bar_U, 0, tile, bar_biases[block, bias], constants, staged)
                    cuda.syncthreads()
                    # H_ī = Xᵀ Z̄
                    product(X.shape[1], channels, count, tile, 1, X.shape[0],
                            X, 0, 1, 0, X.shape[1],
                            bar_Z, 0, 0, channels*tile, tile, 1,
                            bar_H, 0, channels*tile, tile, 1, False, constants, staged)
                    cuda.syncthreads()
                    # T̄ = Φᵀ Ū
                    product(Phi.shape[1], channels, count, tile, 1, Phi.shape[0],
                            Phi, 0, 1, 0, Phi.shape[1],
                            bar_U, 0, 0, channels*tile, tile, 1,
                            bar_T, 0, channels*tile, tile, 1, False, constants, staged)
                    cuda.syncthreads()
                    # gradient of w_s: += T̄ Gᵀ, summed over records
                    product(weight_out, 1, weight_in, 0, 1, count,
                            bar_T, 0, tile, 0, 1,
                            G[slot], first, 0, 1, 0, records,
                            bar_operators[block, operator], 0, weight_in, 0, 1, True, constants, staged)
                    cuda.syncthreads()
                    # Ḡ = w_sᵀ T̄
                    product(weight_in, 1, count, 0, 1, weight_out,
                            operators[operator], 0, 1, 0, weight_in,
                            bar_T, 0, 0, tile, 0, 1,
                            bar_G, 0, tile, 0, 1, False, constants, staged)
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
                            for j in range(begin):
                                bar_m[(j*state + a)*tile + r] += combine[n, i, j + 1]*bar_H[a*tile + r]
                    cuda.syncthreads()
            for a in range(0 + row, state, rows):
                for r in range(column, count, columns):
                    bar[a, first + r] = bar_h[a*tile + r]
            cuda.syncthreads()


def formed_forward_rows_1(stages, state, node, wide, weight_out, weight_in, krylov):
    """Rows of working memory that a record needs in formed_forward_1."""
    return stages*state + node + wide + node + wide + node + stages*state + stages*state + stages*state + stages*state + stages*state + stages*state + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + (krylov + 1) + krylov + krylov + (krylov + 1) + ((krylov + 1)*krylov) + (krylov + 1)*stages*state


def formed_adjoint_rows_1(stages, state, node, wide, weight_out, weight_in, krylov):
    """Rows of working memory that a record needs in formed_adjoint_1."""
    return stages*state + state + state + node + wide + node + stages*state + stages*state + stages*state + stages*state + 1 + 1 + 1 + 1 + 1 + 1 + 1 + (krylov + 1) + krylov + krylov + (krylov + 1) + ((krylov + 1)*krylov) + (krylov + 1)*stages*state


def factors_forward_rows_1(stages, state, node, wide, weight_out, weight_in, krylov):
    """Rows of working memory that a record needs in factors_forward_1."""
    return stages*state + stages*state + node + weight_out + wide + weight_in + node + weight_out + wide + node + stages*state + stages*state + stages*state + stages*state + stages*state + stages*state + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + (krylov + 1) + krylov + krylov + (krylov + 1) + ((krylov + 1)*krylov) + (krylov + 1)*stages*state


def factors_adjoint_rows_1(stages, state, node, wide, weight_out, weight_in, krylov):
    """Rows of working memory that a record needs in factors_adjoint_1."""
    return stages*state + state + weight_in + state + node + weight_out + wide + node + stages*state + stages*state + stages*state + stages*state + 1 + 1 + 1 + 1 + 1 + 1 + 1 + (krylov + 1) + krylov + krylov + (krylov + 1) + ((krylov + 1)*krylov) + (krylov + 1)*stages*state


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
