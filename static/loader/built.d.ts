/** What the build puts in. */
declare const __VERSION__: string;
declare const __BUNDLE_PATH__: string;
declare const __BUNDLE_INTEGRITY__: string;
declare const __PARTS__: Record<string, string>;
