/**
 * @file Curves by WebGL2, all of them in one instanced draw: an instance a curve, a strip of triangles along it.
 *
 *     attributes of an instance   ends x1 y1 x2 y2 · handles x1 y1 x2 y2 · weight, head, query, key     48 bytes
 *     texture of heads            a texel a head: its colour, and whether it is drawn; its dashes in the row below
 *
 * Curves are uploaded once. Which heads are drawn and where the cursor is are a few bytes of texture and uniforms, so a head
 * switched on or off, a hover and a scroll are that one draw and nothing else.
 */
import { handlesOf, pen } from "../scene/curve.js";
import { type Box, type Line, linesByHead, type Scene } from "../scene/scene.js";
import type { Look } from "./canvas.js";
import { headStyle, rgbOf } from "./colour.js";
import { GlProgram, nearest } from "./gl.js";

/** Pieces of a curve: enough that no corner is seen, fewer where there are tens of thousands. */
const [pieces, fewPieces, many] = [32, 16, 5000];
const floats = 12;

/** A number as GLSL writes it. */
const float = (x: number): string => x.toFixed(4);

const vertex = `#version 300 es
layout(location = 0) in vec4 ends;
layout(location = 1) in vec4 handles;
layout(location = 2) in vec4 mark; // weight, head, query, key
uniform vec4 window; // x, y, width, height of what is shown
uniform float pixel; // size of a device pixel
uniform float pieces;
uniform vec3 cursor; // query, key, head; -1 = any
uniform sampler2D heads;
out float across; // distance from the middle of the curve
out float along; // and from its start
flat out float half_;
flat out vec4 ink;
flat out vec4 dash;
vec2 at(float t) {
  float s = 1.0 - t;
  return s * s * s * ends.xy + 3.0 * s * s * t * handles.xy + 3.0 * s * t * t * handles.zw + t * t * t * ends.zw;
}
void main() {
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0); // outside: nothing is drawn
  vec4 head = texelFetch(heads, ivec2(int(mark.y), 0), 0);
  vec4 low = min(vec4(ends.xy, handles.xy), vec4(ends.zw, handles.zw));
  vec4 high = max(vec4(ends.xy, handles.xy), vec4(ends.zw, handles.zw));
  vec2 first = min(low.xy, low.zw) - 4.0, last = max(high.xy, high.zw) + 4.0;
  if (head.a < 0.5 || any(lessThan(last, window.xy)) || any(greaterThan(first, window.xy + window.zw))) return;
  float t = float(gl_VertexID >> 1) / pieces;
  float s = 1.0 - t;
  vec2 slope = s * s * (handles.xy - ends.xy) + 2.0 * s * t * (handles.zw - handles.xy) + t * t * (ends.zw - handles.zw);
  if (dot(slope, slope) < 1e-6) slope = ends.zw - ends.xy;
  half_ = (${float(pen.thin)} + ${float(pen.grows)} * mark.x) * 0.5;
  across = ((gl_VertexID & 1) * 2 - 1 > 0 ? 1.0 : -1.0) * (half_ + 0.5 * pixel);
  vec2 p = at(t) + normalize(vec2(-slope.y, slope.x)) * across;
  vec2 clip = (p - window.xy) / window.zw * 2.0 - 1.0;
  gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
  dash = texelFetch(heads, ivec2(int(mark.y), 1), 0) * 255.0;
  along = 0.0;
  if (dash.x > 0.0) {
    vec2 from = ends.xy;
    for (int n = 1; n <= gl_VertexID >> 1; n++) {
      vec2 to = at(float(n) / pieces);
      along += distance(from, to);
      from = to;
    }
  }
  vec3 same = step(abs(mark.zwy - cursor), vec3(0.5));
  bool some = cursor.x >= 0.0 || cursor.y >= 0.0;
  bool chosen = (cursor.x < 0.0 || same.x > 0.0) && (cursor.y < 0.0 || same.y > 0.0) && (cursor.z < 0.0 || same.z > 0.0);
  float alpha = some && !chosen ? 0.05 + 0.06 * mark.x : ${float(pen.faint)} + ${float(pen.firm)} * sqrt(mark.x);
  ink = vec4(head.rgb, 1.0) * min(1.0, alpha);
}`;
const fragment = `#version 300 es
precision highp float;
uniform float pixel;
in float across;
in float along;
flat in float half_;
flat in vec4 ink;
flat in vec4 dash;
out vec4 colour;
void main() {
  float there = clamp((half_ - abs(across)) / pixel + 0.5, 0.0, 1.0);
  float period = dash.x + dash.y + dash.z + dash.w;
  if (period > 0.0) {
    float d = mod(along, period);
    if (d > dash.x && (d < dash.x + dash.y || d > dash.x + dash.y + dash.z)) discard;
  }
  colour = ink * there;
}`;

export class LinePainter {
  readonly #program: GlProgram;
  /** The curves that are uploaded, head by head. */
  #held = new Map<number, readonly Line[]>();
  #count = 0;
  #heads = "";

  /** @param changed is told when the context is lost or comes back */
  constructor(canvas: HTMLCanvasElement, changed: () => void) {
    this.#program = new GlProgram(canvas, {
      vertex,
      fragment,
      uniforms: ["window", "pixel", "pieces", "cursor", "heads"],
      started: (gl) => {
        this.#held.clear();
        this.#heads = "";
        const stride = floats * 4;
        gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
        for (const place of [0, 1, 2]) {
          gl.enableVertexAttribArray(place);
          gl.vertexAttribPointer(place, 4, gl.FLOAT, false, stride, place * 16);
          gl.vertexAttribDivisor(place, 1);
        }
        gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
        gl.enable(gl.BLEND);
        gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      },
      changed,
    });
  }

  get canvas(): HTMLCanvasElement {
    return this.#program.canvas;
  }
  get ok(): boolean {
    return this.#program.ok;
  }

  /** Draws the part of a scene's curves that is in the window. @returns false when it cannot */
  draw(scene: Scene, look: Look, ratio: number, window: Box): boolean {
    const { gl, uniforms } = this.#program;
    if (!gl || !this.ok) return false;
    const shown = linesByHead(scene);
    if ([...shown].some(([h, lines]) => this.#held.get(h) !== lines)) this.#upload(gl, shown, scene.down);
    this.#program.clear(Math.round(window.width * ratio), Math.round(window.height * ratio));
    this.#headsTexture(gl, shown, look);
    const { query = -1, key = -1, head = -1 } = look.cursor ?? {};
    const n = this.#count > many ? fewPieces : pieces;
    gl.uniform4f(uniforms["window"]!, window.x, window.y, window.width, window.height);
    gl.uniform1f(uniforms["pixel"]!, 1 / ratio);
    gl.uniform1f(uniforms["pieces"]!, n);
    gl.uniform3f(uniforms["cursor"]!, query, key, head);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 2 * (n + 1), this.#count);
    return true;
  }

  release(): void {
    this.#program.release();
  }

  /** New curves: those of heads that still hold stay beside them. The heaviest come last, so that they lie on top. */
  #upload(gl: WebGL2RenderingContext, shown: ReadonlyMap<number, readonly Line[]>, down?: boolean): void {
    const changed = [...shown].some(([h, lines]) => this.#held.has(h) && this.#held.get(h) !== lines);
    this.#held = new Map([...(changed ? [] : this.#held), ...shown]);
    const lines = [...this.#held.values()].flat().sort((a, b) => a.weight - b.weight);
    const data = new Float32Array(lines.length * floats);
    lines.forEach((l, n) => {
      data.set([l.x1, l.y1, l.x2, l.y2, ...handlesOf(l, down), l.weight, l.head, l.query, l.key], n * floats);
    });
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    this.#count = lines.length;
  }

  #headsTexture(gl: WebGL2RenderingContext, shown: ReadonlyMap<number, unknown>, look: Look): void {
    const most = Math.max(0, ...this.#held.keys()) + 1;
    const key = `${look.mode} ${most} ${[...shown.keys()]}`;
    if (key === this.#heads) return;
    this.#heads = key;
    const texels = new Uint8Array(most * 8);
    for (const h of this.#held.keys()) {
      const { colour, dash } = headStyle(h, look.mode);
      texels.set([...rgbOf(colour), shown.has(h) ? 255 : 0], h * 4);
      texels.set(dash, (most + h) * 4);
    }
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, most, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
    nearest(gl);
  }
}
