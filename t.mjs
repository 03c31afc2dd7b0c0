import puppeteer from 'puppeteer-core';
const b=await puppeteer.launch({browser:'firefox',executablePath:'/usr/bin/firefox-esr',headless:true});
const p=await b.newPage(); p.on('console',m=>console.log('console',m.text())); await p.goto('data:text/html,<h1>hi<script>console.log(1)</script>'); console.log(await p.$eval('h1',e=>e.textContent), await b.version()); await b.close();
