export interface ModelLab {
  readonly seed: number;
}
