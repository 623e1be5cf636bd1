package middleware

import "strings"

// A wildcard under a name where anybody can have one lets anybody's pages connect, with the user's
// cookies. The whole list of such names (publicsuffix.org) has ten thousand lines and changes every
// week, so it is no part of this library: a program that cares gives OriginConfig.PublicSuffix.
// Without it these are known, the ones that are written by mistake: second levels of countries, and
// where pages are hosted for everybody.
var publicSuffixes = suffixes(`
	co.uk org.uk me.uk ltd.uk plc.uk net.uk ac.uk gov.uk
	com.au net.au org.au edu.au gov.au id.au  co.nz net.nz org.nz  co.za org.za web.za
	com.br net.br org.br gov.br  com.ar com.mx com.co com.pe com.uy com.ve com.ec
	co.jp ne.jp or.jp ac.jp go.jp  co.kr or.kr  com.cn net.cn org.cn gov.cn  com.tw org.tw  com.hk org.hk  com.sg  com.my  com.ph  com.vn
	co.in net.in org.in firm.in gen.in ind.in  co.id or.id web.id  co.th in.th  com.pk  com.bd  com.np
	co.il org.il  com.tr org.tr  com.ua  com.pl net.pl org.pl  com.ru  com.gr  com.cy  com.mt  com.pt  com.es org.es nom.es  co.at or.at  co.hu
	com.sa com.eg com.ng co.ke co.tz co.ug com.gh  com.de uk.com us.com eu.com co.com

	github.io githubpreview.dev github.dev app.github.dev gitlab.io codeberg.page bitbucket.io
	pages.dev workers.dev r2.dev trycloudflare.com
	vercel.app now.sh netlify.app onrender.com fly.dev railway.app up.railway.app herokuapp.com deno.dev surge.sh
	web.app firebaseapp.com run.app a.run.app appspot.com cloudfunctions.net translate.goog blogspot.com
	azurewebsites.net azurestaticapps.net cloudapp.net cloudapp.azure.com azureedge.net blob.core.windows.net web.core.windows.net
	amplifyapp.com awsapprunner.com cloudfront.net elasticbeanstalk.com s3.amazonaws.com
	ondigitalocean.app digitaloceanspaces.com
	ngrok.io ngrok.app ngrok-free.app ngrok.dev ngrok-free.dev loca.lt serveo.net ts.net
	glitch.me repl.co replit.app replit.dev stackblitz.io webcontainer.io csb.app codesandbox.io
	wordpress.com wixsite.com myshopify.com weebly.com webflow.io framer.app notion.site read-the-docs.io readthedocs.io
	hf.space streamlit.app nip.io sslip.io duckdns.org dyndns.org no-ip.org ddns.net
`)

func suffixes(list string) map[string]bool {
	known := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		known[name] = true
	}
	return known
}

// isPublicSuffix says whether anybody can have a name under host, as far as it is known.
func (cfg *OriginConfig) isPublicSuffix(host string) bool {
	if cfg.PublicSuffix == nil {
		return publicSuffixes[host]
	}
	suffix, _ := cfg.PublicSuffix(host)
	return suffix == host
}
