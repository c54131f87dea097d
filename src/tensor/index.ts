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
export { broadcastShapes, broadcastStrides, show, sizeOf, stridesOf } from "./shape.js"; // shape algebra
export { asTensor, type Storage, Tensor, type TensorLike, tensor, zeros } from "./tensor.js"; // a shape over float32 numbers
