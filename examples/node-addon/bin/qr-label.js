#!/usr/bin/env node
'use strict';

const { terminal } = require('../lib');

const [text, level] = process.argv.slice(2);
if (text === undefined) {
  console.error('usage: qr-label TEXT [L|M|Q|H]');
  process.exit(2);
}
try {
  process.stdout.write(terminal(text, level));
} catch (error) {
  console.error(`qr-label: ${error.message}`);
  process.exit(1);
}
