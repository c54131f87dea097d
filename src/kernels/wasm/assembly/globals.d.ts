/** Set by the build script with `--use`: 1 in the relaxed and the wide build. */
declare const RELAXED: i32;
/** 1 in the wide build. */
declare const WIDE: i32;
