fetch('/data/hours.json').then((answer) => answer.json()).then((hours) => {
  document.getElementById('hours').textContent = `Today: ${hours[new Date().getDay()] || 'closed'}`;
});
