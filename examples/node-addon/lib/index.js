'use strict';

const { encode, library } = require('../build/Release/qr.node');

/** A code as an SVG picture. */
function svg(text, level) {
  const { size, modules } = encode(text, level);
  let path = '';
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) if (modules[y * size + x]) path += `M${x + 2} ${y + 2}h1v1h-1z`;
  }
  const edge = size + 4;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${edge} ${edge}"><path d="${path}"/></svg>\n`;
}

/** A code for a terminal. */
function terminal(text, level) {
  const { size, modules } = encode(text, level);
  let lines = '';
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) lines += modules[y * size + x] ? '██' : '  ';
    lines += '\n';
  }
  return lines;
}

module.exports = { svg, terminal, library };
