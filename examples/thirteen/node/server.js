'use strict';
const express = require('express');
const app = express();
app.set('views', __dirname + '/views');
app.set('view engine', 'ejs');
app.use(express.json());
const entries = [];
app.get('/', (request, response) => response.render('index', { entries, language: request.query.language || 'en' }));
app.post('/entries', (request, response) => {
  if (typeof request.body.text !== 'string') return response.status(422).json({ error: 'text is missing' });
  entries.push({ text: request.body.text, at: new Date(0).toLocaleString('de-DE', { timeZone: 'Asia/Tokyo' }) });
  response.status(201).json(entries[entries.length - 1]);
});
app.listen(3000);
