(()=>{
"use strict";var part=(()=>{var f=Object.defineProperty;var o=Object.getOwnPropertyDescriptor;var p=Object.getOwnPropertyNames;var r=Object.prototype.hasOwnProperty;var u=(t,e)=>{for(var d in e)f(t,d,{get:e[d],enumerable:!0})},x=(t,e,d,l)=>{if(e&&typeof e=="object"||typeof e=="function")for(let a of p(e))!r.call(t,a)&&a!==d&&f(t,a,{get:()=>e[a],enumerable:!(l=o(e,a))||l.enumerable});return t};var b=t=>x(f({},"__esModule",{value:!0}),t);var g={};u(g,{default:()=>c});var c={};return b(g);})();
document.currentScript.exported=part.default})();
