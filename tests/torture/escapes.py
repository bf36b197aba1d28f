"""Expressions that would run something, read what they must not, or are no expressions."""

from __future__ import annotations

# --- known escapes ------------------------------------------------------------------------------------------

# Each would leave a file called canary, import a module of that name, or read what it must not, if it were run.
ESCAPES = r"""
__import__('os').system('touch canary')
__import__('canary')
__import__("subprocess").run(["touch", "canary"])
__import__('os').popen('touch canary').read()
__import__('pathlib').Path('canary').touch()
__builtins__['__import__']('canary')
__builtins__.open('canary', 'w')
__loader__.load_module('canary')
__spec__.loader
__name__
__file__
__doc__
__debug__
import canary
from canary import *
import os; os.system('touch canary')
open('canary', 'w')
open('canary', 'w').write('1')
open('/etc/passwd').read()
exec('open("canary", "w")')
exec("import canary")
eval('__import__("canary")')
eval(compile('import canary', 'canary', 'exec'))
compile('import canary', 'canary', 'exec')
breakpoint()
input()
print(u)
help()
exit()
quit()
globals()
globals()['__builtins__']
locals()
vars()
vars(u)
dir()
dir(u)
id(u)
type(u)
type('X', (), {})
type.mro(type(u))
getattr(u, 'free_symbols')
getattr(u, '__class__')
setattr(u, 'name', 'h')
delattr(u, 'name')
hasattr(u, 'name')
object()
super()
memoryview(u)
bytes(10**10)
bytearray(10**10)
str(u)
repr(u)
int('9' * 10**9)
list(u)
dict(a=u)
set(u)
tuple(u)
range(10**12)
sum(u for u in range(10**12))
map(exec, ['import canary'])
filter(eval, ['open("canary","w")'])
sorted(u, key=eval)
iter(u)
next(u)
zip(u, h)
enumerate(u)
format(u, '>1000000000')
'%1000000000d' % u
'{:>1000000000}'.format(u)
'{0.__class__.__mro__[1].__subclasses__}'.format(u)
'{u.__class__}'.format_map({'u': u})
'{0[__builtins__]}'.format(globals())
"%s" % open("canary", "w")
f'{u}'
f'{open("canary", "w")}'
f"{__import__('canary')}"
f'{u!r:>{10**9}}'
f'{(lambda: u)()}'
f"{u.__class__.__init__.__globals__}"
rb'canary'
b'canary'
'canary'
"canary" "canary"
'''canary'''
u''
''
().__class__
().__class__.__bases__[0].__subclasses__()
().__class__.__base__.__subclasses__()[-1].__init__.__globals__['sys']
[].__class__.__mro__[1].__subclasses__()
{}.__class__.__bases__
''.__class__.__mro__[1]
(1).__class__.__base__
1 .__class__
1..__class__
1.0.real
(1).bit_length()
u.__class__
u.__class__.__mro__
u.__class__.__bases__[0].__subclasses__()
u.__init__.__globals__
u.__init__.__globals__['__builtins__']['exec']('import canary')
u.__reduce_ex__(2)
u.__getattribute__('name')
u.__dict__
u.__module__
u.__dir__()
u.__doc__
u.__setattr__('name', 'h')
u.name
u.func
u.args
u.subs(u, h)
u.free_symbols
u.evalf(10**9)
u.lambdify
u.is_real
u._assumptions
u.assumptions0
u._eval_evalf(10)
tanh.__class__
tanh.__module__
tanh.mro()
tanh.__globals__
tanh.__code__
f.__globals__
f.__closure__
f.__code__.co_consts
f.gi_frame
f.cr_frame.f_globals
pi.__class__
pi.n(10**9)
pi.evalf(10**8)
sympify('open("canary","w")')
S('open("canary","w")')
parse_expr('u')
lambdify(u, u)
Symbol('u')
Function('f')(u)
Integer(10)**Integer(10)**Integer(10)
Rational(1, 3)
Derivative(u, u)
Integral(u, (u, 0, 1))
Sum(u, (u, 1, 10**9))
Product(u, (u, 1, 10**9))
Limit(u, u, 0)
factorial(10**9)
gamma(10**12)
binomial(10**9, 10**8)
fibonacci(10**9)
prime(10**12)
factorint(10**40)
zeta(u)
lambda: u
lambda: open('canary', 'w')
(lambda: open('canary', 'w'))()
(lambda x: x)(u)
(lambda f: f(f))(lambda f: f(f))
(lambda *a, **k: a)(u)
[u for u in (1, 2)]
[open('canary', 'w') for _ in (1,)]
[c for c in ().__class__.__base__.__subclasses__()]
{u for u in (1, 2)}
{u: h for u in (1, 2)}
(u for u in (1, 2))
sum([u for u in (1, 2)])
max(*[u, h])
max(**{'a': u})
max(u, h, key=eval)
min(u, h, default=open)
tanh(u, evaluate=False)
tanh(u, **{})
tanh(*u)
tanh(u)(h)
tanh()()
tanh
f
f(f)
f(f(f(f)))(u)
u(h)
u[h]
u[0]
u[:]
u[0:1:2]
u[...]
u, h
(u, h)
()
[]
[u]
{}
{u}
{u: h}
{**{}}
[*u]
*u
(u := 1)
u := 1
(open := u)
(u := open('canary', 'w'))
[u := 1, u**2]
u if h else u
u if open('canary', 'w') else h
u and open('canary', 'w')
u or open('canary', 'w')
not u
u is h
u is not None
u in h
u not in h
u < h
u < h < 1
u == h
u != h
u >= h
u @ h
u // h
u % h
u % 'canary'
u << 10**9
u >> 1
1 << 10**12
u | h
u & h
u ^ h
~u
+~u
yield u
(yield u)
(yield from u)
await u
async def u(): pass
assert u
raise u
return u
del u
pass
global u
nonlocal u
u = 1
u += 1
u: int = 1
u; h
if u: h
while True: pass
while 1: u
for u in h: pass
try: u
with open('canary', 'w'): pass
def u(): pass
class u: pass
@u
match u:
print u
`u`
$u
u?
u!
!touch canary
;touch canary
`touch canary`
$(touch canary)
%run canary
../canary
/etc/passwd
C:\canary
\u0075
\x75
\N{LATIN SMALL LETTER U}
u\
\
#
# u
u # h
u #\
True
False
None
Ellipsis
...
NotImplemented
nan
inf
oo
zoo
I
E
1j
1J
1e5j
0x10
0X1F
0o17
0b101
1_000
1__0
01
007
1e999
1e400
1e100
-1e999
1E+99
1e-99
1.e1
.1e1
1.1.1
1e
1e+
e1
0.0.0
9**9**9**9
9**9**9
9**(9**9)
(9**9)**9**9
10**10**10
2**u
u**h
u**u
u**(h + 1)
u**999
u**-999
u**(1/999)
u**(1/0)
u**(0/0)
u**1.5e10
u**1e-30
u**--2
u**+-+2
(u**64)**64
((u**64)**64)**64
(u + h + a + 1)**64
((u + h)**64 + 1)**64
1/0
0/0
u/0
u/(u - u)
0**0
0**-1
0**(-1/2)
(-1)**(1/2)
(-8)**(1/3)
log(0)
log(-1)
sqrt(-1)
tan(pi/2)
atan(log(0))
exp(log(0))
exp(10**12)
exp(exp(exp(10)))
exp(exp(exp(exp(exp(u)))))
sinh(10**12)
tanh(10**12)
erf(10**12)
sigmoid(10**12)
softplus(10**12)
sin(10**12*10**12)
sqrt(999999999989*999999999961)
sqrt(999999999989**30)
sqrt(sqrt(sqrt(999999999989)))
abs(sin(999999999999))
sign(sin(999999999999) - sin(999999999998))
sign(0)
sign(pi - 3)
abs(pi - 22/7)
max(pi, 22/7)
max(u, u)
max(u, h, u, h, u, h, u, h)
max(u, h, u, h, u, h, u, h, u)
max(max(u, h), max(h, u))
max(u, max(h, max(a, max(u - 1, max(h - 1, max(a - 1, 0))))))
min(max(u, h), max(u, -h), max(-u, h), max(-u, -h))
abs(abs(abs(abs(abs(u)))))
max(1)
max()
min(,)
max(u,)
max(u,,h)
tanh(u,)
(((((((((u)))))))))
()()()
((u)
(u))
)u(
]u[
u)(h
{u)
1 2
u h
2u
u2
u..h
u.
.u
.
..
,
:
:=
=
==
->
=>
<>
!
@
&
|
^
~
$
?
"
'
`
'''
"
f'
f'{
rb'
-
+
*
/
**
***
u ** * h
u */ h
u */* h */
<!-- u -->
<script>canary</script>
{{u}}
{{ ''.__class__ }}
${u}
#{u}
%(u)s
%s%s%s%n
'; drop table u; --
\0
\r\n
nul
con
aux
""".strip("\n").split("\n")

# Bombs, by their length or by what they make of a short text; and characters that no source line holds well.
