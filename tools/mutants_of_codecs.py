# SPDX-License-Identifier: Apache-2.0
"""Mutants of the codecs' arithmetic, for mutants.py: a rounding, a sign, a tie rule, an order changed, in the shared functions, the scalar
reference and the SIMD form of each. The unit tests must notice: golden vectors of an implementation of its own, and reference against SIMD."""

# name, file, text to replace, replacement
BF16 = [
    ("ties away from zero", "kernels/float16.h", "(bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16", "(bits + 0x8000u) >> 16"),
    ("a finite value becomes Inf", "kernels/float16.h",
     "magnitude > 0x7f7f0000u && magnitude < kInfBits ? 0x7f7f0000u : magnitude;", "magnitude;"),
    ("NaN stays a signalling one", "kernels/float16.h", "(bits & ~kSignBit) > kInfBits ? 0x00400000u : 0u;", "0u;"),
    ("reference subtracts", "kernels/codecs/bf16/reference.cpp", "load<float>(sum, i) + value", "load<float>(sum, i) - value"),
    ("SIMD: ties away from zero", "kernels/codecs/bf16/simd.cpp",
     "hn::Add(hn::Add(limited, hn::Set(du, 0x7fff)), odd)", "hn::Add(limited, hn::Set(du, 0x8000))"),
    ("SIMD: no sign", "kernels/codecs/bf16/simd.cpp", ", hn::ShiftRight<16>(hn::And(bits, sign_bit)));", ", hn::Zero(du));"),
    ("SIMD subtracts", "kernels/codecs/bf16/simd.cpp", "hn::Add(hn::LoadU(df, sum + i), value)", "hn::Sub(hn::LoadU(df, sum + i), value)"),
]
I8 = [
    ("scale to the nearest", "kernels/codecs/i8/arithmetic.h", "float_to_bf16_up(float_of", "float_to_bf16(float_of"),
    ("a hair less than 1/127", "kernels/codecs/i8/arithmetic.h", "0x1.020408p-7f", "0x1.0203fep-7f"),
    ("reference: ties away from zero", "kernels/codecs/i8/arithmetic.h", "rounded(value * inverse)", "__builtin_roundf(value * inverse)"),
    ("reference: no rounding", "kernels/codecs/i8/arithmetic.h", "rounded(value * inverse)", "__builtin_truncf(value * inverse)"),
    ("reference: other sign", "kernels/codecs/i8/arithmetic.h", "static_cast<float>(code) *", "-static_cast<float>(code) *"),
    ("smallest block", "kernels/codecs/i8/arithmetic.h", "0x08800000u;", "0x09000000u;"),
    ("Inf is carried", "kernels/codecs/i8/reference.cpp", "largest >= kInfBits", "largest > kInfBits"),
    ("SIMD: no rounding", "kernels/codecs/i8/simd.cpp", "hn::NearestInt(hn::Mul(", "hn::ConvertTo(di, hn::Mul("),
    ("SIMD: ties up", "kernels/codecs/i8/simd.cpp", "hn::NearestInt(hn::Mul(hn::LoadU(df, in + i), inverse));",
     "hn::ConvertTo(di, hn::Floor(hn::Add(hn::Mul(hn::LoadU(df, in + i), inverse), hn::Set(df, 0.5f))));"),
    ("SIMD: other sign", "kernels/codecs/i8/simd.cpp", "hn::Mul(hn::ConvertTo(df, code), steps)", "hn::Neg(hn::Mul(hn::ConvertTo(df, code), steps))"),
    ("SIMD: Inf is carried", "kernels/codecs/i8/simd.cpp", "largest >= kInfBits", "largest > kInfBits"),
]
F4 = [
    ("exponent at 6 * 448", "kernels/codecs/f4/arithmetic.h", "> 0x00280000u", ">= 0x00280000u"),
    ("reference: scale to the nearest", "kernels/codecs/f4/arithmetic.h", "+ 0x000fffffu) >> 20", "+ 0x0007ffffu) >> 20"),
    ("reference: smallest scale 0", "kernels/codecs/f4/arithmetic.h", " || below == 0 ? 1u", " ? 1u"),
    ("reference: small codes, ties away", "kernels/codecs/f4/arithmetic.h", "rounded(y * 2.0f)", "__builtin_roundf(y * 2.0f)"),
    ("reference: middle codes, ties away", "kernels/codecs/f4/arithmetic.h", "rounded(y) + 2.0f", "__builtin_roundf(y) + 2.0f"),
    ("reference: large codes, ties away", "kernels/codecs/f4/arithmetic.h", "rounded(y * 0.5f) + 4.0f", "__builtin_roundf(y * 0.5f) + 4.0f"),
    ("reference: no sign", "kernels/codecs/f4/arithmetic.h", "| bits_of(value) >> 31 << 3", "| (bits_of(value) & 0u)"),
    ("reference: a sixth to the nearest", "kernels/codecs/f4/arithmetic.h", "0x1.555556p-3f", "0x1.555554p-3f"),
    ("SIMD: small codes, ties up", "kernels/codecs/f4/simd.cpp", "hn::NearestInt(hn::Add(y, y))",
     "hn::ConvertTo(di, hn::Floor(hn::Add(hn::Add(y, y), hn::Set(df, 0.5f))))"),
    ("SIMD: large codes without rounding", "kernels/codecs/f4/simd.cpp", "hn::NearestInt(hn::Mul(y, hn::Set(df, 0.5f)))",
     "hn::ConvertTo(di, hn::Mul(y, hn::Set(df, 0.5f)))"),
    ("SIMD: scale to the nearest", "kernels/codecs/f4/simd.cpp", "hn::Set(du, 0x000fffff)", "hn::Set(du, 0x0007ffff)"),
    ("SIMD: denormal scale one more", "kernels/codecs/f4/simd.cpp", "hn::Lt(hn::ConvertTo(df, below), steps)", "hn::Le(hn::ConvertTo(df, below), steps)"),
    ("SIMD: no sign", "kernels/codecs/f4/simd.cpp", "hn::Or(level, sign)", "hn::Or(level, hn::Xor(sign, sign))"),
    ("SIMD subtracts", "kernels/codecs/f4/simd.cpp", "hn::Add(hn::LoadU(df, sum + i), value)", "hn::Sub(hn::LoadU(df, sum + i), value)"),
]
ROTATED = [
    ("another level", "kernels/codecs/rotated/arithmetic.h", "0x1.8ep-2f", "0x1.8cp-2f"),
    ("another threshold", "kernels/codecs/rotated/arithmetic.h", "0x1.088p-2f", "0x1.08cp-2f"),
    ("another threshold of r2", "kernels/codecs/rotated/arithmetic.h", "{0x1.f6p-1f}", "{0x1.f5p-1f}"),
    ("reference: twelve bits, ties down", "kernels/codecs/rotated/arithmetic.h", "+ 0x800u) & 0xfffff000u", "+ 0x7ffu) & 0xfffff000u"),
    ("reference: denormals stay", "kernels/codecs/rotated/arithmetic.h",
     "magnitude_of(value) < smallest ? 0.0f : float_of", "magnitude_of(value) == 0u ? 0.0f : float_of"),
    ("scale rounded up", "kernels/codecs/rotated/arithmetic.h", "float_to_bf16(energy / product)", "float_to_bf16_up(energy / product)"),
    ("scale too small by two", "kernels/codecs/rotated/arithmetic.h", "(exponent - 127u - R::kHalfLog) << 7", "(exponent - 128u - R::kHalfLog) << 7"),
    ("half as many lanes", "kernels/codecs/rotated/arithmetic.h", "kSumLanes = 32;", "kSumLanes = 16;"),
    ("reference: a threshold belongs above", "kernels/codecs/rotated/reference.h", "* inverse > threshold", "* inverse >= threshold"),
    ("reference: differences turned round", "kernels/codecs/rotated/reference.h", "w[i ^ h] = a - b", "w[i ^ h] = b - a"),
    ("reference: no sign in codes", "kernels/codecs/rotated/reference.h", "level | bits_of(w[i]) >> 31 << (R::kBits - 1)", "level"),
    ("reference: limit is carried", "kernels/codecs/rotated/reference.h", "largest >= kRotatedLimit", "largest > kRotatedLimit"),
    ("reference: sums in another order", "kernels/codecs/rotated/reference.h", "lanes[i] += lanes[i + half]", "lanes[i] += lanes[2 * half - 1 - i]"),
    ("Philox: nine rounds", "kernels/codecs/rotated/philox.h", "round < 10", "round < 9"),
    ("Philox: another key step", "kernels/codecs/rotated/philox.h", "key1 += 0xbb67ae85u", "key1 += 0xbb67ae84u"),
    ("SIMD: differences turned round", "kernels/codecs/rotated/hadamard-inl.h", "*b = hn::Sub(*a, *b)", "*b = hn::Sub(*b, *a)"),
    ("SIMD: another order of stages", "kernels/codecs/rotated/hadamard-inl.h",
     "    pairs<1>(v, 0, 2, 4, 6);\n    pairs<2>(v, 0, 1, 4, 5);\n", "    pairs<2>(v, 0, 1, 4, 5);\n    pairs<1>(v, 0, 2, 4, 6);\n"),
    ("SIMD: twelve bits, ties down", "kernels/codecs/rotated/simd-inl.h", "hn::Set(du, 0x800)", "hn::Set(du, 0x7ff)"),
    ("SIMD: a threshold belongs above", "kernels/codecs/rotated/simd-inl.h", "hn::Gt(y, hn::Set(d, R::kThreshold", "hn::Ge(y, hn::Set(d, R::kThreshold"),
    ("SIMD: no sign in codes", "kernels/codecs/rotated/simd-inl.h", "hn::Or(number, sign)", "hn::Or(number, hn::Xor(sign, sign))"),
    ("SIMD: sums in another order", "kernels/codecs/rotated/simd-inl.h", "lanes[i] += lanes[i + half]", "lanes[i] += lanes[2 * half - 1 - i]"),
    ("SIMD: signs not undone", "kernels/codecs/rotated/simd-inl.h", "hn::Xor(hn::Mul(hn::Load(d, w + i), norm), sign)", "hn::Mul(hn::Load(d, w + i), norm)"),
    ("SIMD: limit is carried", "kernels/codecs/rotated/simd-inl.h", "largest >= kRotatedLimit", "largest > kRotatedLimit"),
    ("SIMD: signs of levels", "kernels/codecs/levels-inl.h", "hn::Xor(level(code), hn::BitCast(D(), sign))", "level(code)"),
]
LOSSLESS = [
    ("window: the highest of equals", "kernels/codecs/lossless/arithmetic.h", "inside > most ||", "inside >= most ||"),
    ("frequencies: the last of equals gets the rest", "kernels/codecs/lossless/arithmetic.h", "of[s] > of[frequent]", "of[s] >= of[frequent]"),
    ("frequencies may be rounded up", "kernels/codecs/lossless/arithmetic.h", "- kLosslessSymbols) / count);", "- kLosslessSymbols) / (count + 1));"),
    ("reference: a full state stays", "kernels/codecs/lossless/arithmetic.h", "state >= frequency << 19", "state > frequency << 19"),
    ("reference: other start", "kernels/codecs/lossless/arithmetic.h", "state % frequency + start;", "state % frequency - start;"),
    ("reference: no sign", "kernels/codecs/lossless/arithmetic.h", "bits >> 31 << 7 | (bits", "(bits"),
    ("reference subtracts", "kernels/codecs/lossless/reference.cpp", "load<float>(sum, i) + value", "load<float>(sum, i) - value"),
    ("SIMD: reciprocal rounded down", "kernels/codecs/lossless/coder-inl.h", "+ frequency - 1) / frequency", ") / frequency"),
    ("SIMD: a full state stays", "kernels/codecs/lossless/coder-inl.h", "const auto kept = less(du, state, hn::ShiftLeft<19>(frequency));",
     "const auto kept = hn::Not(less(du, hn::ShiftLeft<19>(frequency), state));"),
    ("SIMD: other start", "kernels/codecs/lossless/coder-inl.h", "hn::Mul(quotient, skipped)), start)", "hn::Mul(quotient, skipped)), hn::Xor(start, start))"),
    ("SIMD: words in another order", "kernels/codecs/lossless/coder-inl.h", "static_cast<Bits8>(from++)", "static_cast<Bits8>((set >> 1) % kStateLanes + 0 * from++)"),
    ("SIMD: no sign", "kernels/codecs/lossless/decoder-inl.h", "hn::ShiftLeft<24>(hn::And(top, hn::Set(du, 0x80)))", "hn::Zero(du)"),
    ("SIMD subtracts", "kernels/codecs/lossless/decoder-inl.h", "hn::Add(hn::LoadU(df, sum + at), value)", "hn::Sub(hn::LoadU(df, sum + at), value)"),
]
FEEDBACK = [
    ("residuals of the other sign", "kernels/feedback/arithmetic.h", "value - decoded", "decoded - value"),
    ("residuals are subtracted", "kernels/feedback/arithmetic.h", "value + bf16_to_float(residual)", "value - bf16_to_float(residual)"),
    ("residuals rounded up", "kernels/feedback/arithmetic.h", "float_to_finite_bf16(rest)", "float_to_bf16_up(rest)"),
    ("NaN stays", "kernels/feedback/arithmetic.h", "magnitude_of(rest) >= kInfBits ? Bits16{0} : ", ""),
    ("feedback makes Inf", "kernels/feedback/arithmetic.h", "magnitude_of(sum) == kInfBits ? value : sum", "sum"),
]


def sources(*folders):
    return [f"kernels/codecs/{folder}/{form}.cpp" for folder in folders for form in ("reference", "simd")]


GROUPS = [("bf16", BF16, sources("bf16")), ("i8", I8, sources("i8")), ("f4", F4, sources("f4")), ("rotated", ROTATED, sources("r4", "r2")),
          ("lossless", LOSSLESS, sources("lossless")), ("feedback", FEEDBACK, ["kernels/feedback/feedback.cpp"])]
# As mutants.py has them: with the sources to compile.
MUTANTS = [(f"{group}: {name}", file, old, new, compiled) for group, mutants, compiled in GROUPS for name, file, old, new in mutants]

# SSE2 and AVX2 show what a mutant does; compiling for all instruction sets would take most of the time.
FEWER_TARGETS = "-DLH_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4|HWY_AVX3|HWY_AVX3_DL)"

# Of unit_tests: most mutants die of the first, which are quick.
FILTERS = ["golden*,every instruction set equals*,*ties go*,f4*,lossless: *,Residuals*,*residual*,Feedback makes*,Philox*",
           "*instruction set*,*lossless*,hostile*,NaN*,rotating*,numbers up to*,*blob*"]
