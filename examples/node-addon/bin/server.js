'use strict';

const http = require('node:http');
const fs = require('node:fs');
const path = require('node:path');
const { svg, library } = require('../lib');

const page = fs.readFileSync(path.join(__dirname, '..', 'public', 'index.html'));
const port = Number(process.env.PORT || 3000);

http
  .createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname === '/') {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
    } else if (url.pathname === '/version') {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ library }));
    } else if (url.pathname === '/qr.svg') {
      try {
        const picture = svg(url.searchParams.get('text') || '', url.searchParams.get('level') || 'M');
        response.writeHead(200, { 'Content-Type': 'image/svg+xml' }).end(picture);
      } catch (error) {
        response.writeHead(422, { 'Content-Type': 'text/plain' }).end(`${error.message}\n`);
      }
    } else {
      response.writeHead(404).end();
    }
  })
  .listen(port, () => console.log(`labels on port ${port}`));
