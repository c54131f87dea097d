/**
 * @file How what is handed over as one module without imports is built: `<attention-view>`, to be served or put into a page as it
 * is, and the worker for the reader's own code. `vite build --mode element` or `--mode sandbox`.
 */
import { defineConfig } from "vite";
import { fromHere, instead, outDir, withEffects } from "./build.js";

const modules = {
  element: {
    entry: "../embed/attention-view.ts",
    file: "attention-view.js",
    // The trace room gets the reference's loops in place of WebAssembly.
    kernel: instead("../kernels/index.js", /\/src\/trace\//, fromHere("../embed/light-kernels.ts")),
  },
  sandbox: {
    entry: "../sandbox/worker.ts",
    file: "sandbox.js",
    kernel: instead("./standard.js", /\/src\/kernels\/current\.ts$/, fromHere("../sandbox/light-standard.ts")),
  },
};

export default defineConfig(({ mode }) => {
  const { entry, file, kernel } = modules[mode as keyof typeof modules];
  return {
    root: fromHere("."),
    plugins: [kernel, withEffects(/src\/explorer\/(embed\/attention-view|sandbox\/worker)\.ts/)],
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2022",
      copyPublicDir: false,
      lib: { entry: fromHere(entry), formats: ["es"], fileName: () => file },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  };
});
