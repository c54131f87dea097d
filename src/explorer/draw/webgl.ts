/**
 * @file Cells by WebGL2: each grid of weights is a float texture, coloured in the fragment shader through the ramp. Changing
 * the scale, panning and zooming upload nothing.
 */
import type { Cells, Scene } from "../scene/scene.js";
import type { Look } from "./canvas.js";
import { logDecades } from "./colour.js";
import { GlProgram, nearest } from "./gl.js";

const vertex = `#version 300 es
uniform vec4 box; // x, y, width, height in clip space
out vec2 at;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  at = corner;
  gl_Position = vec4(box.xy + corner * box.zw, 0.0, 1.0);
}`;
const fragment = `#version 300 es
precision highp float;
uniform highp sampler2D weights;
uniform sampler2D ramp;
uniform int transform; // 0 linear, 1 log, 2 signed
in vec2 at;
out vec4 colour;
void main() {
  ivec2 size = textureSize(weights, 0);
  float w = texelFetch(weights, ivec2(min(at * vec2(size), vec2(size - 1))), 0).r;
  if (w < -1.5) { colour = vec4(0.0); return; } // may not attend
  float t = transform == 2 ? (w + 1.0) * 0.5 : transform == 1 ? (w > 0.0 ? 1.0 + log(w) / 2.302585093 / ${logDecades.toFixed(1)} : 0.0) : w;
  colour = vec4(texelFetch(ramp, ivec2(int(round(clamp(t, 0.0, 1.0) * 255.0)), 0), 0).rgb, 1.0);
}`;

/** Textures kept: 300 tiles of 256 × 256 floats are 79 MB. */
const keptTextures = 300;

export class CellPainter {
  readonly #program: GlProgram;
  #ramp: { texture: WebGLTexture; key: string } | undefined;
  #textures = new Map<Float32Array, WebGLTexture>();

  /** @param changed is told when the context is lost or comes back */
  constructor(canvas: HTMLCanvasElement, changed: () => void) {
    this.#program = new GlProgram(canvas, {
      vertex,
      fragment,
      uniforms: ["box", "weights", "ramp", "transform"],
      context: { preserveDrawingBuffer: true },
      started: () => {
        this.#textures.clear();
        this.#ramp = undefined;
      },
      changed,
    });
  }

  get canvas(): HTMLCanvasElement {
    return this.#program.canvas;
  }

  release(): void {
    this.#program.release();
  }

  /** Draws the cells of a scene. @returns false when it cannot, and the 2D canvas should */
  draw(scene: Scene, look: Look, ratio: number): boolean {
    const { gl, ok, uniforms } = this.#program;
    if (!gl || !ok || (look.transform === "rank" && !look.signed)) return false;
    this.#program.clear(Math.round(scene.width * ratio), Math.round(scene.height * ratio));
    const { style } = this.canvas;
    [style.width, style.height] = [`${scene.width}px`, `${scene.height}px`];
    const { plot } = scene;
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(
      Math.round(plot.x * ratio),
      Math.round((scene.height - plot.y - plot.height) * ratio),
      Math.round(plot.width * ratio),
      Math.round(plot.height * ratio),
    );
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.#rampTexture(gl, look));
    gl.uniform1i(uniforms["ramp"]!, 1);
    gl.uniform1i(uniforms["weights"]!, 0);
    gl.uniform1i(uniforms["transform"]!, look.signed ? 2 : look.transform === "log" ? 1 : 0);
    gl.activeTexture(gl.TEXTURE0);
    for (const cells of scene.cells) {
      if (cells.rows * cells.columns === 0) continue;
      gl.bindTexture(gl.TEXTURE_2D, this.#texture(gl, cells));
      const [x, y, w, h] = [cells.x, cells.y, cells.columns * cells.cell, cells.rows * cells.cell];
      gl.uniform4f(
        uniforms["box"]!,
        (2 * x) / scene.width - 1,
        1 - (2 * y) / scene.height,
        (2 * w) / scene.width,
        (-2 * h) / scene.height,
      );
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
    return true;
  }

  #rampTexture(gl: WebGL2RenderingContext, look: Look): WebGLTexture {
    const key = `${look.mode} ${look.signed} ${look.ramp[300]} ${look.ramp[600]} ${look.ramp[765]}`;
    if (this.#ramp?.key === key) return this.#ramp.texture;
    const texture = this.#ramp?.texture ?? gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, new Uint8Array(look.ramp));
    nearest(gl);
    this.#ramp = { texture, key };
    return texture;
  }

  #texture(gl: WebGL2RenderingContext, { values, rows, columns }: Cells): WebGLTexture {
    const had = this.#textures.get(values);
    if (had) {
      this.#textures.delete(values); // the latest used stands last
      this.#textures.set(values, had);
      return had;
    }
    const texture = gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D, texture);
    const shown = new Float32Array(rows * columns);
    for (let n = 0; n < shown.length; n++) shown[n] = values[n]! === values[n]! ? values[n]! : -2;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, columns, rows, 0, gl.RED, gl.FLOAT, shown);
    nearest(gl);
    this.#textures.set(values, texture);
    if (this.#textures.size > keptTextures) {
      const [oldest, dropped] = this.#textures.entries().next().value!;
      gl.deleteTexture(dropped);
      this.#textures.delete(oldest);
    }
    return texture;
  }
}
