// The public surface of "qkv/trace".
export { readTrace, writeTrace } from "./file.js"; // the trace file: safetensors with q, k and row sums
export {
  type AttentionRecord,
  checkedPart,
  MapRecord,
  mayAttend,
  type PairNumbers,
  type Part,
  type QkCall,
  QkRecord,
} from "./record.js"; // one attention of a run, its map on demand
export { copyHeads, headsOf, Recorder, type RecorderOptions } from "./recorder.js"; // listens to attention
export { type Provenance, type Sequence, Trace, type TraceInfo, type TraceParts, type Where } from "./trace.js"; // a run seen from inside
