/**
 * @file Protocol-buffer messages field by field, without a schema and without trust.
 *
 *     message = field*        field = tag value        tag = varint(number · 8 + wire type)
 *     wire type 0 varint · 1 eight bytes · 2 a length and as many bytes · 3, 4 group (obsolete) · 5 four bytes
 *
 * A `Cursor` walks one message and says where each field lies. Lengths are held against the message they stand in
 * before anything is read or allocated, so a length of 2⁶³ costs nothing but an error.
 * https://protobuf.dev/programming-guides/encoding
 */
import { refuse } from "./refuse.js";
import type { ByteSource } from "./source.js";

/**
 * A length-delimited message in the file: its contents are [from, to), its length stands in [lengthAt, from).
 * `parent` is the message it is a field of. The file itself is a message without a length.
 */
export interface Message {
  lengthAt: number;
  from: number;
  to: number;
  parent?: Message | undefined;
}

/** A varint of 64 bits has at most ten bytes. */
const longest = 10;

export class Cursor {
  /** Number of the field last read. */
  field = 0;
  wire = 0;
  /** Where its tag starts. */
  at = 0;
  /** Its contents [from, to). */
  from = 0;
  to = 0;
  /** Where its length starts, when it has one. */
  lengthAt = 0;
  readonly message: Message;
  readonly source: ByteSource;
  #position: number;
  #low = 0;
  #high = 0;

  constructor(source: ByteSource, message: Message) {
    this.source = source;
    this.message = message;
    this.#position = message.from;
  }

  /** Goes to the next field. False at the end of the message. */
  next(): boolean {
    if (this.#position >= this.message.to) return false;
    this.at = this.#position;
    this.#varint();
    const tag = this.#low;
    this.field = tag >>> 3;
    this.wire = tag & 7;
    if (this.#high !== 0 || this.field === 0) this.#bad(`has the impossible field ${this.field} at byte ${this.at}`);
    this.#extent();
    this.#position = this.to;
    return true;
  }

  #extent(): void {
    this.from = this.lengthAt = this.#position;
    if (this.wire === 0) {
      this.#varint();
      this.to = this.#position;
    } else if (this.wire === 1 || this.wire === 5) {
      this.to = this.from + (this.wire === 1 ? 8 : 4);
      if (this.to > this.message.to) this.#bad(`ends inside a number, at byte ${this.at}`);
    } else if (this.wire === 2) {
      this.#varint();
      this.from = this.#position;
      const length = this.#low + this.#high * 2 ** 32;
      const room = this.message.to - this.from;
      if (length > room) {
        const says = (BigInt(this.#high) << 32n) | BigInt(this.#low);
        this.#bad(`says field ${this.field} at byte ${this.at} has ${says} bytes, but ${room} follow`);
      }
      this.to = this.from + length;
    } else if (this.wire === 3) {
      this.to = this.#group();
    } else {
      this.#bad(`has the unknown wire type ${this.wire} at byte ${this.at}`);
    }
  }

  /** Passes over an obsolete group, with those inside it, by counting: depth costs no memory. */
  #group(): number {
    const inner = new Cursor(this.source, { ...this.message, from: this.#position });
    let open = 1;
    while (open > 0) {
      if (inner.#position >= this.message.to) this.#bad(`has a group without an end, at byte ${this.at}`);
      inner.at = inner.#position;
      inner.#varint();
      inner.field = inner.#low >>> 3;
      inner.wire = inner.#low & 7;
      if (inner.wire === 3) open++;
      else if (inner.wire === 4) open--;
      else {
        inner.#extent();
        inner.#position = inner.to;
      }
    }
    return inner.#position;
  }

  /** Reads a varint at the position into two halves of 32 bits. */
  #varint(): void {
    const end = Math.min(this.#position + longest, this.message.to);
    const bytes = this.source.read(this.#position, end);
    let low = 0;
    let high = 0;
    for (let i = 0; i < bytes.length; i++) {
      const b = bytes[i]! & 127;
      const shift = 7 * i;
      if (shift < 28) low |= b << shift;
      else if (shift === 28) {
        low |= b << 28;
        high |= b >>> 4;
      } else high |= b << (shift - 32);
      if (bytes[i]! < 128) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        this.#position += i + 1;
        return;
      }
    }
    this.#bad(
      bytes.length < longest
        ? `is cut short, at byte ${this.#position}`
        : `has a number without an end, at byte ${this.#position}`,
    );
  }

  #bad(got: string): never {
    refuse(this.source.name, got);
  }

  /** The field as a signed 64-bit whole number. Beyond 2⁵³ it is rounded: no size of ours is that large. */
  int(): number {
    if (this.wire !== 0) this.#bad(`has no whole number in field ${this.field}, at byte ${this.at}`);
    return (this.#high | 0) * 2 ** 32 + this.#low;
  }

  /** The field as a float32. */
  float(): number {
    if (this.wire !== 5) this.#bad(`has no float in field ${this.field}, at byte ${this.at}`);
    const b = this.source.read(this.from, this.to);
    return new DataView(b.buffer, b.byteOffset, 4).getFloat32(0, true);
  }

  /** The field's bytes, not a copy. */
  bytes(): Uint8Array {
    if (this.wire !== 2) this.#bad(`has no bytes in field ${this.field}, at byte ${this.at}`);
    return this.source.read(this.from, this.to);
  }

  text(): string {
    return decoder.decode(this.bytes());
  }

  /** The field as a message of its own. */
  child(): Message {
    if (this.wire !== 2) this.#bad(`has no message in field ${this.field}, at byte ${this.at}`);
    return { lengthAt: this.lengthAt, from: this.from, to: this.to, parent: this.message };
  }

  /** Whole numbers of a repeated field: one, or many packed into bytes. Adds to `into`. */
  ints(into: number[], limit = Number.POSITIVE_INFINITY): void {
    if (this.wire === 0) {
      if (into.length < limit) into.push(this.int());
      return;
    }
    const packed = new Cursor(this.source, this.child());
    while (packed.#position < packed.message.to && into.length < limit) {
      packed.#varint();
      into.push((packed.#high | 0) * 2 ** 32 + packed.#low);
    }
  }

  /** Float32 numbers of a repeated field, single or packed. Adds to `into`. */
  floats(into: number[], limit = Number.POSITIVE_INFINITY): void {
    if (this.wire === 5) {
      if (into.length < limit) into.push(this.float());
      return;
    }
    const b = this.bytes();
    const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
    for (let i = 0; i + 4 <= b.byteLength && into.length < limit; i += 4) into.push(view.getFloat32(i, true));
  }
}

const decoder = new TextDecoder();
