/**
 * @file Lanes: 4 × f32 in a v128, and the few functions of numbers that the kernels need, on all four lanes at once.
 *
 * Polynomials are minimax fits (Lawson's reweighting on Chebyshev nodes); the error stands beside each. Coefficients are
 * kept in memory and loaded before a loop: the engine would otherwise build a v128 constant anew in every round.
 * NaN passes through every function: `pmin`/`pmax` return their first operand when a comparison with NaN fails.
 */

/** a·b + c; one rounding where the build has relaxed SIMD and the processor a fused unit, else two. */
// @ts-ignore: decorator
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  if (RELAXED) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * 2^x for x ≤ 0, exactly 0 below −126.5: constants, then coefficients of 2^f − 1 on [−½, ½], relative error 9.2e-8.
 * 1.5·2^23 + 127 rounds x to a whole number and leaves it, biased, in the low bits: shifted left by 23 it *is* 2^n.
 */
const EXP2 = memory.data<f32>([-127.0, 12583039.0, 0.6931470036506653, 0.24022242426872253, 0.05550733581185341, 0.009671512991189957, 0.0013264721492305398, 1.4426950408889634, 1.0]);

// @ts-ignore: decorator
@inline export function exp2Constant(n: usize): v128 {
  return v128.load32_splat(EXP2 + (n << 2));
}

/** 2^x, x ≤ 0 (log-domain softmax). Pass the nine constants of `exp2Constant`, loaded outside the loop. */
// @ts-ignore: decorator
@inline export function exp2Lanes(x: v128, low: v128, magic: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, one: v128): v128 {
  x = f32x4.pmax(x, low); // NaN < low is false: NaN stays
  const t = f32x4.add(x, magic);
  const f = f32x4.sub(x, f32x4.sub(t, magic)); // exact
  let p = madd(c5, f, c4);
  p = madd(p, f, c3);
  p = madd(p, f, c2);
  p = madd(p, f, c1);
  p = madd(p, f, one);
  return f32x4.mul(p, i32x4.shl(t, 23)); // a product, not an exponent add: NaN stays NaN, −127 gives exactly 0
}

/** The same for a single number, lane 0 of the lanes' arithmetic, so that every path gives the same bits. */
export function exp2One(x: f32): f32 {
  return f32x4.extract_lane(
    exp2Lanes(f32x4.splat(x), exp2Constant(0), exp2Constant(1), exp2Constant(2), exp2Constant(3), exp2Constant(4), exp2Constant(5), exp2Constant(6), exp2Constant(8)), 0);
}

/** e^x over the whole range: overflow gives ∞, underflow passes through subnormals to 0. Relative error 1.2e-7. */
const EXP = memory.data<f32>([
  -104.0, 89.0, 1.4426950408889634, 12582912.0, 0.693145751953125, 1.428606765330187e-6,
  0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.0083687175065279, 0.0013814596459269524, 1.0,
]);

// @ts-ignore: decorator
@inline function expConstant(n: usize): v128 {
  return v128.load32_splat(EXP + (n << 2));
}

// @ts-ignore: decorator
@inline export function expLanes(v: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(v, expConstant(0)), expConstant(1));
  const magic = expConstant(3);
  const n = f32x4.sub(f32x4.add(f32x4.mul(x, expConstant(2)), magic), magic); // round(x / ln 2)
  let r = f32x4.sub(x, f32x4.mul(n, expConstant(4))); // Cody & Waite: ln 2 in two parts, the first product is exact
  r = f32x4.sub(r, f32x4.mul(n, expConstant(5)));
  let p = madd(expConstant(10), r, expConstant(9));
  p = madd(p, r, expConstant(8));
  p = madd(p, r, expConstant(7));
  p = madd(p, r, expConstant(6));
  p = madd(f32x4.mul(r, r), p, r);
  p = f32x4.add(p, expConstant(11));
  const k = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(k, 1); // 2^n in two factors: n reaches from −150 to 128
  const bias = i32x4.splat(127);
  const a = i32x4.shl(i32x4.add(half, bias), 23);
  const b = i32x4.shl(i32x4.add(i32x4.sub(k, half), bias), 23);
  return f32x4.mul(f32x4.mul(p, a), b);
}

/** tanh x: an odd polynomial below 0.625 (4.4e-9 relative), else 1 − 2/(e^2x + 1). */
const TANH = memory.data<f32>([0.625, -0.3333328068256378, 0.13331441581249237, -0.05373971536755562, 0.0206390842795372, -0.005704984534531832, 1.0, 2.0, 10.0]);

// @ts-ignore: decorator
@inline function tanhConstant(n: usize): v128 {
  return v128.load32_splat(TANH + (n << 2));
}

// @ts-ignore: decorator
@inline export function tanhLanes(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const a = v128.xor(x, sign);
  const z = f32x4.mul(x, x);
  let p = madd(tanhConstant(5), z, tanhConstant(4));
  p = madd(p, z, tanhConstant(3));
  p = madd(p, z, tanhConstant(2));
  p = madd(p, z, tanhConstant(1));
  const small = madd(f32x4.mul(p, z), a, a);
  const e = expLanes(f32x4.mul(f32x4.pmin(a, tanhConstant(8)), tanhConstant(7)));
  const large = f32x4.sub(tanhConstant(6), f32x4.div(tanhConstant(7), f32x4.add(e, tanhConstant(6))));
  return v128.or(v128.bitselect(large, small, f32x4.ge(a, tanhConstant(0))), sign); // tanh −0 = −0
}

/** 1/(1 + e^−x) */
// @ts-ignore: decorator
@inline export function sigmoidLanes(x: v128): v128 {
  const one = expConstant(11);
  return f32x4.div(one, f32x4.add(one, expLanes(f32x4.neg(x))));
}

/**
 * The error function. |x| < 1: x·P(x²), 1.2e-9 relative. Else 1 − 2^Q(|x|), where Q fits log2 erfc: the error of
 * 2^Q is at most 1e-9 of erf up to 4, where erf has become 1 in float32.
 */
const ERF = memory.data<f32>([
  1.128379225730896, -0.3761262595653534, 0.1128358542919159, -0.026853810995817184, 0.005188326351344585, -0.0008010183228179812, 0.00007853835995774716,
  -0.0004927081172354519, -1.6260459423065186, -0.9206483960151672, -0.14875160157680511, 0.031505659222602844, -0.004252569284290075, 0.0002688878739718348,
  1.0, 4.0,
]);

// @ts-ignore: decorator
@inline function erfConstant(n: usize): v128 {
  return v128.load32_splat(ERF + (n << 2));
}

/** 2^Q(a) = erfc a for 1 ≤ a ≤ 4. */
// @ts-ignore: decorator
@inline function erfcLanes(a: v128): v128 {
  let q = madd(erfConstant(13), a, erfConstant(12));
  q = madd(q, a, erfConstant(11));
  q = madd(q, a, erfConstant(10));
  q = madd(q, a, erfConstant(9));
  q = madd(q, a, erfConstant(8));
  q = madd(q, a, erfConstant(7));
  return exp2Lanes(q, exp2Constant(0), exp2Constant(1), exp2Constant(2), exp2Constant(3), exp2Constant(4), exp2Constant(5), exp2Constant(6), exp2Constant(8));
}

// @ts-ignore: decorator
@inline export function erfLanes(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const a = v128.xor(x, sign);
  const z = f32x4.mul(x, x);
  let p = madd(erfConstant(6), z, erfConstant(5));
  p = madd(p, z, erfConstant(4));
  p = madd(p, z, erfConstant(3));
  p = madd(p, z, erfConstant(2));
  p = madd(p, z, erfConstant(1));
  p = madd(p, z, erfConstant(0));
  const large = f32x4.sub(erfConstant(14), erfcLanes(f32x4.pmin(a, erfConstant(15))));
  return v128.bitselect(v128.or(large, sign), f32x4.mul(p, x), f32x4.ge(a, erfConstant(14)));
}

/** ln x: x = 2^e·(1 + f), 1 + f in [√½, √2); ln(1 + f) = f − f²/2 + f³·P(f), Cephes' logf. Relative error 1e-7; subnormals too. */
const LOG = memory.data<f32>([
  0.33333331174, -0.24999993993, 0.20000714765, -0.16668057665, 0.14249322787, -0.12420140846, 0.1167699874, -0.1151461031, 0.070376836292,
  0.693359375, -2.12194440e-4, 1.17549435e-38, 8388608.0, 0.70710678118,
]);

// @ts-ignore: decorator
@inline function logConstant(n: usize): v128 {
  return v128.load32_splat(LOG + (n << 2));
}

export function logLanes(x: v128): v128 {
  const one = f32x4.splat(1), small = f32x4.lt(x, logConstant(11));
  const scaled = v128.bitselect(f32x4.mul(x, logConstant(12)), x, small);
  const bits = i32x4.sub(scaled, i32x4.splat(0x3f3504f3)); // of √½: the exponent then counts from there
  let e = f32x4.convert_i32x4_s(i32x4.shr_s(bits, 23));
  e = f32x4.sub(e, v128.and(small, f32x4.splat(23)));
  const f = f32x4.sub(i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3)), one);
  let p = madd(logConstant(8), f, logConstant(7));
  for (let n: usize = 7; n > 0; n--) p = madd(p, f, logConstant(n - 1));
  const z = f32x4.mul(f, f);
  let y = f32x4.mul(f32x4.mul(f, z), p);
  y = madd(e, logConstant(10), y);
  y = f32x4.sub(y, f32x4.mul(z, f32x4.splat(0.5)));
  y = madd(e, logConstant(9), f32x4.add(f, y));
  y = v128.bitselect(y, x, f32x4.lt(x, f32x4.splat(Infinity))); // ∞ and NaN stay
  y = v128.bitselect(f32x4.splat(NaN), y, f32x4.lt(x, f32x4.splat(0)));
  return v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(0)));
}

/** Where sin and cos leave the range reduction below: 2^28. */
const FAR: f32 = 268435456;

/** Two numbers in float64 less the nearest multiple of π/2, which is counted in `turns`. fdlibm's π/2 in two parts. */
// @ts-ignore: decorator
@inline function quarterTurns(x: v128): v128 {
  return f64x2.add(f64x2.nearest(f64x2.mul(x, f64x2.splat(0.6366197723675814))), f64x2.splat(0)); // + 0: so that −0 stays −0
}

// @ts-ignore: decorator
@inline function withoutTurns(x: v128, turns: v128): v128 {
  const r = f64x2.sub(x, f64x2.mul(turns, f64x2.splat(1.5707963267341256)));
  return f64x2.sub(r, f64x2.mul(turns, f64x2.splat(6.077100506506192e-11)));
}

/** sin (ahead = 0) or cos (1) of x. Reduced in float64, polynomials of Cephes' sinf and cosf: 1e-7. Beyond 2^28 number by number. */
export function sinLanes(x: v128, ahead: i32): v128 {
  const low = f64x2.promote_low_f32x4(x), high = f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1));
  const t0 = quarterTurns(low), t1 = quarterTurns(high);
  const r0 = f32x4.demote_f64x2_zero(withoutTurns(low, t0)), r1 = f32x4.demote_f64x2_zero(withoutTurns(high, t1));
  const r = v128.shuffle<i64>(r0, r1, 0, 2);
  const turns = i32x4.add(v128.shuffle<i64>(i32x4.trunc_sat_f64x2_s_zero(t0), i32x4.trunc_sat_f64x2_s_zero(t1), 0, 2), i32x4.splat(ahead));
  const z = f32x4.mul(r, r);
  let s = madd(f32x4.splat(-1.9515295891e-4), z, f32x4.splat(8.3321608736e-3));
  s = madd(s, z, f32x4.splat(-1.6666654611e-1));
  s = madd(f32x4.mul(s, z), r, r);
  let c = madd(f32x4.splat(2.443315711809948e-5), z, f32x4.splat(-1.388731625493765e-3));
  c = madd(c, z, f32x4.splat(4.166664568298827e-2));
  c = madd(f32x4.mul(c, z), z, madd(z, f32x4.splat(-0.5), f32x4.splat(1)));
  const odd = i32x4.eq(v128.and(turns, i32x4.splat(1)), i32x4.splat(1));
  const sign = i32x4.shl(v128.and(turns, i32x4.splat(2)), 30);
  const y = v128.xor(v128.bitselect(c, s, odd), sign);
  return v128.any_true(f32x4.ge(f32x4.abs(x), f32x4.splat(FAR))) ? farLanes(x, y, ahead) : y;
}

/** One far number's sine or cosine; a near one's result as it is. */
function far(x: f32, y: f32, ahead: i32): f32 {
  return abs(x) >= FAR ? (<f32>(ahead ? Math.cos(x) : Math.sin(x))) : y;
}

function farLanes(x: v128, y: v128, ahead: i32): v128 {
  y = f32x4.replace_lane(y, 0, far(f32x4.extract_lane(x, 0), f32x4.extract_lane(y, 0), ahead));
  y = f32x4.replace_lane(y, 1, far(f32x4.extract_lane(x, 1), f32x4.extract_lane(y, 1), ahead));
  y = f32x4.replace_lane(y, 2, far(f32x4.extract_lane(x, 2), f32x4.extract_lane(y, 2), ahead));
  return f32x4.replace_lane(y, 3, far(f32x4.extract_lane(x, 3), f32x4.extract_lane(y, 3), ahead));
}

/** Sum of the four lanes, pairwise. */
// @ts-ignore: decorator
@inline export function sumLanes(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 2)) + (f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 3));
}

// @ts-ignore: decorator
@inline export function maxLanes(x: v128): f32 {
  return max(max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 2)), max(f32x4.extract_lane(x, 1), f32x4.extract_lane(x, 3)));
}

/** The first n (1–3) lanes of x, stored one by one: the end of a row. */
// @ts-ignore: decorator
@inline export function storePart(at: usize, x: v128, n: i32): void {
  v128.store32_lane(at, x, 0);
  if (n > 1) v128.store32_lane(at, x, 1, 4);
  if (n > 2) v128.store32_lane(at, x, 2, 8);
}
