"""The commented spec that ``continua new`` writes."""

TEMPLATE = """\
# A continuum. `continua check` reads this file; `continua list bases` (rates, tableaux, activations, losses)
# says what can be named. Numbers are read exactly as they are written: 0.25 and "1/4" are the same.
name = "NAME"
summary = "What this model is for"

[equation]                      # ∂h/∂δ = rate(u, h),  u = ∫ W h dξ′ + b
rate = "residual"               # a named rate, or an expression in u, h and parameters: "tanh(u) - a*h"
activation = "tanh"
spacing = "1/2"                 # Δ, the distance between the discrete layers that are generalised
channels = 1
# parameters = { a = "1/2" }    # constants that the rate uses
# learned = { a = "1/2" }       # parameters that training changes, a number a channel, and where they start
# local = true                  # a local field beside the integral: u = ∫ W h dξ′ + V h + b
# normalise = "1/1000"          # the rate takes u/√(mean of u² over the channels + 1/1000) for u
# periodic = true               # -1 and 1 are the same point
# symmetry = "translation"      # with Fourier bases on a circle; or "reflection", { shift = "1/4" }, { map = … }
# dimension = 2                 # functions on the square [-1, 1]²; a basis then holds along both axes
# exchange = "antisymmetric"    # W(ξ′, ξ) = −W(ξ, ξ′), or symmetric; of one basis for both widths
# reach = "1/8"                 # W = κ(ξ − ξ′), zero beyond ±1/8; [weight] then has kernel = {…} in place of two widths

[input]
interpolant = "linear"          # linear | constant | least-squares: how samples become a function
scale = "standard"              # by mean and deviation of the training records; or robust, none. [readout] has one too
# domain = ["0", "64/5"]        # where the points of records lie; without it, as far as those of the training reach
# unit = "s"                    # what they are measured in
# missing = "unsampled"         # NaN: that channel was not sampled there

# [lift]
# inputs = 2                    # channels of the records, where the state has others: h(ξ, 0) = P (x(ξ), 1)
# width = { family = "legendre", size = 4 }      # of P(ξ), which is constant without

[state]
basis = { family = "legendre", size = 24 }       # a list gives every slab its own basis

[weight]                        # W(ξ, ξ′, δ)
width_out = { family = "legendre", size = 12 }
width_in = { family = "legendre", size = 12 }
depth = { family = "p0", cells = 2 }

[bias]                          # b(ξ, δ)
width = { family = "legendre", size = 12 }
depth = { family = "p0", cells = 2 }

[integration]
tableau = "heun"
steps = 4                       # in all; or "adaptive", with tableau = "dopri5" and tolerance = "1/1000"

[readout]                       # without this table the output is a function, h(ξ, 1)
outputs = 2                     # classes or numbers: ∫ R_k(ξ) h(ξ, 1) dξ + a_k; without a basis: channels of a function
basis = { family = "legendre", size = 12 }
# width = { family = "hat", cells = 4 }          # in place of basis: of R(ξ) and a(ξ), which give a function's channels
# scale = "standard"            # of targets that are numbers or functions
# shares = { levels = ["-1", "0", "1"], width = "1/4" }  # in place of maximum: of the domain with h above these levels
# maximum = "4"                 # β: beside them the smooth maxima log(½ ∫ exp(β h) dξ)/β of the channels

[loss]
kind = "cross-entropy"          # or "l2"; on functions also weight = "1 + xi**2"
# class_weights = "balanced"    # every class counts alike, however few its records; or a list of numbers, one a class
penalty = { W = "1/10000" }     # L2 norms of W, b, V, R; { W = { H1 = "1/1000" } } where all its bases are continuous

[training]                      # options of `continua fit` override these
optimiser = "lbfgs"             # adam with `batch = 64` where there are many records
epochs = 300
learning_rate = 0.1
# schedule = "one-cycle"        # of adam's rate: cosine (the default), constant, one-cycle, steps
# warmup = 5                    # its rate rises over so many epochs first
# clip = 1.0                    # shorten longer gradients to this L2 norm; averaging = 0.99 keeps a mean of the fields
# thin = 0.3                    # every epoch draws 30 to 100 % of each record's points anew
# warp = 0.2                    # … on a bent axis; jitter = 0.1 adds noise, weight_decay = 0.1 is adam's

[levels]                        # each names only what differs from the spec above
fine = { weight = { depth = { family = "p0", cells = 4 } } }
[levels.pocket.weight]
width_out = { family = "legendre", size = 8 }
width_in = { family = "legendre", size = 8 }
"""
