/** @file All mistakes that can be simulated, as the rules declare them. */
import type { BaseMistake } from "./base.js";
import type { MechanismMistake, PairMistake } from "./masking.js";

export interface Catalogue {
  base: BaseMistake[];
  pairs: PairMistake[];
  mechanisms: MechanismMistake[];
}
