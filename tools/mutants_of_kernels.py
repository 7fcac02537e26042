# SPDX-License-Identifier: Apache-2.0
"""Mutants of the CUDA kernels' source, for mutants.py: device_codec_tests, which run that source on the CPU, must notice. What the CPU cannot
show is not here: a barrier or an atomic operation left out, since warps there run in turn. Arithmetic that CPU and GPU share: mutants_of_codecs.py."""

# name, text to replace, replacement; by file
SHARED = {
    "kernels/cuda/octets.h": [
        ("values beyond the last are read", "if (begin + i < job.count) x[i] = value_at", "x[i] = value_at"),
        ("wide reads whatever the address", "if (job.aligned && begin + Octet::kSize <= job.count) {\n    x =", "if (begin + Octet::kSize <= job.count) {\n    x ="),
        ("wide writes whatever the address", "if (job.aligned && begin + Octet::kSize <= job.count) {\n    put", "if (begin + Octet::kSize <= job.count) {\n    put"),
        ("residuals of neighbours", "with_residual(x[i], static_cast<Bits16>(pairs[i / 2] >> i % 2 * 16))",
         "with_residual(x[i], static_cast<Bits16>(pairs[i / 2] >> (1 - i % 2) * 16))"),
        ("wide results twice the same", "T::narrowed(x[at + 1])", "T::narrowed(x[at])"),
        ("what was lost, of the other sign", "residual_of(x[i], decoded[i])", "residual_of(decoded[i], x[i])"),
        ("residuals beyond the last are written", "if (begin + i < job.count) W::template store<Bits16>(job.next", "W::template store<Bits16>(job.next"),
        ("no average", "divided(sum[i], job.divisor)", "sum[i]")],
    "kernels/cuda/jobs.h": [
        ("an average by the reciprocal", "canonical(sum / divisor)", "canonical(sum * (1.0f / divisor))"),
        ("the first site is added to zero", "first ? value : canonical(sum + value)", "canonical(sum + value)"),
        ("bf16 results without Inf", "return float_to_bf16(value)", "return float_to_finite_bf16(value)")],
    "kernels/cuda/plain.h": [
        ("what fell back is taken for coded", "source.fell_back ? Bf16Warp", "false ? Bf16Warp"),
        ("padding of scales", "Scale{0}", "Scale{1}"),
        ("padding begins late", "i = job.scales + lane", "i = job.scales + lane + 1")],
    "kernels/cuda/sweep.h": [
        ("the last group is left out", "return (count + each - 1) / each", "return count / each"),
        ("only_if does not count", "return !job.only_if || *job.only_if != 0", "return true"),
        ("largest values are added", "W::raise(job.work, largest)", "W::add(job.work, largest)")],
    "kernels/cuda/programs.h": [("another size", "*job.bytes = job.size", "*job.bytes = job.size + 16")],
    "kernels/cuda/make_jobs.h": [
        ("residuals taken for aligned", "at_16(job.values) && at_16(job.residual)", "at_16(job.values)"),
        ("no site makes sense", "job.sites < 1", "job.sites < 0")],
    "kernels/cuda/launches.cpp": [
        ("f4 keeps the largest of before", "launcher->zero(job.work, sizeof(Bits32))", "Error{0}"),
        ("lossless keeps the counts of before", "launcher->zero(job.work, work_bytes(lhCodecLossless))", "Error{0}")],
}
PLAIN = {
    "kernels/codecs/bf16/warp.h": [
        ("halves change places", "return float_to_finite_bf16(low) | static_cast<Bits32>(float_to_finite_bf16(high)) << 16",
         "return float_to_finite_bf16(high) | static_cast<Bits32>(float_to_finite_bf16(low)) << 16"),
        ("finite becomes Inf", "return float_to_finite_bf16(low)", "return float_to_bf16(low)")],
    "kernels/codecs/i8/warp.h": [
        ("largest of half a block", "largest, kBlockLanes)", "largest, kBlockLanes / 2)"),
        ("Inf is carried", "largest[lane] >= kInfBits", "largest[lane] > kInfBits"),
        ("another order of bytes", "inverse))) << i % 4 * 8", "inverse))) << (3 - i % 4) * 8"),
        ("no sign", "i8_value(static_cast<signed char>(codes[i / 4] >> i % 4 * 8)", "i8_value(static_cast<signed char>(codes[i / 4] >> i % 4 * 8 & 127)")],
    "kernels/codecs/f4/warp.h": [
        ("exponent of half", "f4_exponent(most)", "f4_exponent(most - 0x00800000u)"),
        ("the limit is carried", "most >= kF4Limit", "most > kF4Limit"),
        ("codes of blocks that are too small", "if (scale == 0) codes = 0;", ""),
        ("another order of codes", "<< 4 * i;", "<< 4 * (7 - i);"),
        ("largest of half a block", "largest, kBlockLanes)", "largest, 1)"),
        ("exponents everywhere", "begin == 0 ? exponent : 0u", "exponent"),
        ("largest of lane 0", "return warp.max(largest)", "return largest[0]")],
}
ROTATED = {
    "kernels/codecs/rotated/warp.h": [
        ("signs of other lanes", "random.words[i] >> lane", "random.words[i] >> (31 - lane)"),
        ("signs of the first quarter", "<< (quarter * 4 + i)", "<< i"),
        ("signs of neighbours", "(signs >> i) << 31", "(signs >> (i ^ 1)) << 31"),
        ("differences between lanes turned round", "(lane & h) == 0 ? 0u : kSignBit", "(lane & h) == 0 ? kSignBit : 0u"),
        ("differences inside turned round", "w[lane][i ^ h] = a - b", "w[lane][i ^ h] = b - a"),
        ("sums in another order", "half = kLanes / 2; half > 0; half /= 2", "half = 1; half < kLanes; half *= 2"),
        ("a threshold belongs above", "m > (upper ? k5 : k1)", "m >= (upper ? k5 : k1)"),
        ("levels change places", "quarter ? k3 : k2", "quarter ? k2 : k3"),
        ("half transposed", "(own & ~every) | (its & ~every) >> shift", "own"),
        ("words of other lanes", "* kInRow + lane / kTogether", "* kInRow + lane % kInRow"),
        ("NaN as it comes", "canonical(negated(w[lane][i]", "(negated(w[lane][i]"),
        ("half as large", "1u << R::kHalfLog", "2u << R::kHalfLog")],
    "kernels/codecs/rotated/warp_block.h": [
        ("levels of all bits", "const float m = twelve_bits(w[lane][i])", "const float m = float_of(magnitude_of(w[lane][i]))"),
        ("no sign in codes", "level | bits_of(w[lane][i]) >> 31 << (R::kBits - 1)", "level"),
        ("the limit is carried", "largest >= kRotatedLimit", "largest > kRotatedLimit"),
        ("the smallest block", "largest >= kRotatedSmallest", "largest > kRotatedSmallest"),
        ("padding of scales", "Bits16{0});", "Bits16{1});"),
        ("residuals stay rotated", "  rotate_back<W, R>(warp, signs, w);\n", ""),
        ("sites in reverse order", "int site = 0; site < job.sites; ++site", "int site = job.sites - 1; site >= 0; --site"),
        ("what fell back is left out", "source.fell_back == kRotated", "source.fell_back"),
        ("no average", "divided(sum[lane][i], job.divisor)", "sum[lane][i]")],
}
LOSSLESS = {
    "kernels/codecs/lossless/warp_encode.h": [
        ("padding is counted", "i < Octet::kSize && begin + i < job.count", "i < Octet::kSize"),
        ("lower halves without their highest bit", "low |= bits_of(x[i]) & 0xffff", "low |= bits_of(x[i]) & 0x7fff"),
        ("escapes of later lanes", "escape - ones(escapes >> lane)", "escape - ones(escapes & (2u << lane) - 1)"),
        ("words of later lanes", "word - 2 * ones(fulls >> lane)", "word - 2 * ones(fulls & (2u << lane) - 1)"),
        ("lanes behind the last are coded", "if (here[lane]) state[lane] =", "state[lane] ="),
        ("one word less has room", "coder.word < lowest", "coder.word <= lowest"),
        ("size without padding", "coded ? at.words + padded_to_16(2 * words) : limit", "coded ? at.words + 2 * words : limit"),
        ("padding behind the words", "  zero(warp, job.blob, at.words + 2 * words,", "  if (false) zero(warp, job.blob, at.words + 2 * words,"),
        ("padding behind the escapes", "  zero(warp, job.blob, at.escapes + escapes,", "  if (false) zero(warp, job.blob, at.escapes + escapes,"),
        ("padding behind the tops", "begin < padded_to_16(job.count)", "begin < job.count"),
        ("upper for lower halves", "coded ? bits_of(x[i]) & 0xffff", "!coded ? bits_of(x[i]) & 0xffff")],
    "kernels/codecs/lossless/warp_decode.h": [
        ("a symbol's last slot is the next one's", "ends_[s] <= slot", "ends_[s] < slot + 2"),
        ("thirsty too early", "state_[lane] < kLosslessLow", "state_[lane] <= kLosslessLow"),
        ("words of the lane before", "const Bits32 before = (1u << lane) - 1", "const Bits32 before = (2u << lane) - 1"),
        ("words that are not there", "word < words_ ?", "true ?"),
        ("escapes that are not there", "escape < escapes_ ?", "true ?"),
        ("escapes twice", "escape_ += ones(escapes)", "escape_ += 0"),
        ("no average", "divided(sum, job.divisor)", "sum")],
}

TEST = "tests/unit/device_codec_test.cpp"
GROUPS = [("kernels", SHARED), ("plain kernels", PLAIN), ("rotated kernels", ROTATED), ("lossless kernels", LOSSLESS)]


def compiled(file):
    """What contains the file: the kernels are headers of the test; only how they are launched is a part of the library."""
    return {"kernels/cuda/launches.cpp": [file], "kernels/cuda/make_jobs.h": [TEST, "kernels/cuda/launches.cpp"]}.get(file, [TEST])


# As mutants.py has them.
MUTANTS = [(f"{group}: {name}", file, old, new, compiled(file))
           for group, files in GROUPS for file, mutants in files.items() for name, old, new in mutants]

# Of device_codec_tests, the quick ones first.
FILTERS = ["golden*,*limits*,levels*,sums of*,what was refused*,calls that make*", "*every kind*,*hostile*,*NaN, Inf*", "a million*"]
