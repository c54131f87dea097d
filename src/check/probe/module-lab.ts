export interface ModuleLab {
  readonly seed: number;
}
