// The public surface of "qkv/autograd".
export { type Differentiable, type GradientResult, gradient } from "./gradient.js"; // slopes of a layer or a function
export { Gradients } from "./gradients.js"; // slopes by the numbers they belong to
export { Loss, valueAndGradients, type Weights } from "./loss.js"; // what an optimiser asks of a model
export { Recorder } from "./recorder.js"; // operations that remember how to go back
