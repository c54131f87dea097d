// The public surface of "qkv/trace".
export { readTrace, writeTrace } from "./file.js"; // the trace file: safetensors with q, k and row sums
export { type HeadTokens, type HeadType, headTypes, leadingType, localReach, uniformMap } from "./head-types.js"; // what a head does, scored against chance
export { attentionFlow } from "./flow.js"; // how much can pass from an input to an output
export { buildTile, type Pool, poolBlocks, type Tile, thumbnail, tileSize, topLevel } from "./pyramid.js"; // maps pooled for small pictures and far zooms
export { MapRecord } from "./map-record.js"; // a map that was handed over finished
export { biasAt, mayAttend, type PairNumbers } from "./pair.js"; // the numbers behind one weight
export { checkedPart, type Part } from "./part.js"; // the part of a map somebody looks at
export { type AttentionRecord, type QkCall, QkRecord } from "./record.js"; // one attention of a run, its map on demand
export { copyHeads, headsOf, Recorder, type RecorderOptions } from "./recorder.js"; // listens to attention
export { type Fusion, mixedLayer, type RolloutOptions, receptiveFieldNormalised, rollout } from "./rollout.js"; // all layers as one map
export { type Provenance, type Sequence, Trace, type TraceInfo, type TraceParts, type Where } from "./trace.js"; // a run seen from inside
export { visibleWeights } from "./visible.js"; // weights, NaN where a pair may not attend
