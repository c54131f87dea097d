// When each token of a speech model's output was heard, from its cross-attention (Radford et al. 2022, Whisper, word
// timestamps): every head's map is normalised over tokens, smoothed over time by a median, the chosen heads are averaged,
// and dynamic time warping finds the path from the first token at the first frame to the last token at the last frame
// along which the weights are largest.
//
//     tokens ↓  frames →        ■ = path: it never goes back, neither in tokens nor in time
//       ■ ■ · · · ·
//       · · ■ · · ·
//       · · · ■ ■ ■

/**
 * @param {{ data: ArrayLike<number>, shape: readonly number[] }[]} maps  cross-attention of layers, each [1, H, tokens, frames]
 * @param {object} [options]
 * @param {[layer: number, head: number][]} [options.heads]  places in `maps` and heads; default: every head of the later half of the layers
 * @param {number} [options.width]  frames of the median, odd; default 7, as Whisper's
 * @returns {{ from: number, to: number }[]}  the frames of each token, `to` not included
 */
export function tokenFrames(maps, { heads, width = 7 } = {}) {
  if (maps.length === 0) throw new Error("word-times: there is no cross-attention map");
  const [, H, tokens, frames] = maps[0].shape;
  const later = Math.floor(maps.length / 2);
  const chosen = heads ?? maps.slice(later).flatMap((_, i) => Array.from({ length: H }, (_, h) => [later + i, h]));
  const mean = new Float64Array(tokens * frames);
  for (const [layer, head] of chosen) {
    const size = tokens * frames;
    const map = Array.prototype.slice.call(maps[layer].data, head * size, (head + 1) * size);
    const smooth = medianOverTime(normalisedOverTokens(map, tokens, frames), tokens, frames, width);
    for (let i = 0; i < size; i++) mean[i] += smooth[i] / chosen.length;
  }
  return pathFrames(mean, tokens, frames);
}

/** Each frame's column with mean 0 and deviation 1: a frame that every token listens to (silence, the first one) tells nothing. */
export function normalisedOverTokens(map, tokens, frames) {
  const out = new Float64Array(map.length);
  for (let f = 0; f < frames; f++) {
    let [sum, squares] = [0, 0];
    for (let t = 0; t < tokens; t++) sum += map[t * frames + f];
    for (let t = 0; t < tokens; t++) squares += (map[t * frames + f] - sum / tokens) ** 2;
    const deviation = Math.sqrt(squares / tokens) || 1;
    for (let t = 0; t < tokens; t++) out[t * frames + f] = (map[t * frames + f] - sum / tokens) / deviation;
  }
  return out;
}

/** The median of `width` neighbouring frames of a row; past its ends the row is mirrored. */
export function medianOverTime(map, tokens, frames, width) {
  if (!(width % 2 === 1)) throw new Error(`word-times: the median is over ${width} frames; an odd number is needed`);
  const half = Math.min((width - 1) / 2, frames - 1);
  const out = new Float64Array(map.length);
  const near = new Float64Array(2 * half + 1);
  for (let t = 0; t < tokens; t++) {
    for (let f = 0; f < frames; f++) {
      for (let d = -half; d <= half; d++) {
        const at = f + d < 0 ? -(f + d) : f + d >= frames ? 2 * (frames - 1) - (f + d) : f + d;
        near[d + half] = map[t * frames + at];
      }
      out[t * frames + f] = near.sort()[half];
    }
  }
  return out;
}

/** Dynamic time warping (Sakoe & Chiba 1978): steps to the next token, the next frame or both; the gain of cells is summed. */
export function pathFrames(gain, tokens, frames) {
  const best = new Float64Array((tokens + 1) * (frames + 1)).fill(-Infinity);
  const step = new Uint8Array(best.length); // 0 both, 1 next token, 2 next frame
  best[0] = 0;
  for (let t = 1; t <= tokens; t++) {
    for (let f = 1; f <= frames; f++) {
      const at = t * (frames + 1) + f;
      const before = [best[at - frames - 2], best[at - frames - 1], best[at - 1]];
      step[at] = before.indexOf(Math.max(...before));
      best[at] = before[step[at]] + gain[(t - 1) * frames + f - 1];
    }
  }
  const out = Array.from({ length: tokens }, () => ({ from: frames, to: 0 }));
  for (let [t, f] = [tokens, frames]; t > 0 && f > 0; ) {
    const own = out[t - 1];
    own.from = Math.min(own.from, f - 1);
    own.to = Math.max(own.to, f);
    const move = step[t * (frames + 1) + f];
    if (move !== 2) t--;
    if (move !== 1) f--;
  }
  return out;
}
