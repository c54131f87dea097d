// The public surface of "qkv/tensor".
export {
  type ErrorDetails,
  errorMessage,
  FileError,
  OptionError,
  QkvError,
  ShapeError,
  UnavailableError,
} from "./errors.js"; // refusals as data, worded once
export { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "./half.js"; // half precision as bits
export { editDistance, nearestName } from "./nearest.js"; // the name that was probably meant
export {
  decodeFloat32,
  parseSafetensorsHeader,
  rawArray,
  readSafetensors,
  type Safetensors,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsType,
  safetensorsHeaderLength,
  writeSafetensors,
} from "./safetensors.js"; // the file format of weights and traces
export { broadcastShapes, broadcastStrides, show, sizeOf, stridesOf } from "./shape.js"; // shape algebra
export { asTensor, type Storage, Tensor, type TensorLike, tensor, zeros } from "./tensor.js"; // a shape over float32 numbers
