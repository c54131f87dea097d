/** torch.nn.RNN, LSTM and GRU, layers and directions: outputs, last states and slopes. */
import { GRU, LSTM, RNN } from "../../src/nn/index.js";
import { layerGoldens } from "./layer-cases.js";

layerGoldens("rnn", (c, read) => {
  const { about } = c;
  const options = {
    inputSize: about.input_size,
    hiddenSize: about.hidden_size,
    layers: about.num_layers ?? 1,
    bidirectional: about.bidirectional ?? false,
    bias: about.bias ?? true,
    nonlinearity: about.nonlinearity ?? "tanh",
  };
  const cell = "c0" in about.tensors;
  const kinds = { "torch.nn.RNN": RNN, "torch.nn.LSTM": LSTM, "torch.nn.GRU": GRU };
  return {
    layer: new kinds[about.kind as keyof typeof kinds](options),
    inputs: ["x", "h0", ...(cell ? ["c0"] : [])],
    dOut: { output: read("dout"), h: read("dh_n"), ...(cell && { c: read("dc_n") }) },
    outputs: { output: "out", h: "h_n", ...(cell && { c: "c_n" }) },
  };
});
