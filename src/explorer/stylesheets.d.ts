/** @file A stylesheet that a module brings along: the bundler loads it with the module. */
declare module "*.css";
