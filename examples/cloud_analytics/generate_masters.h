/*
 * generate_masters.h - the seven CSV files: part of generate.c, which is one translation
 * unit.
 *
 * Shares, ranges and nulls are those of the real masters: 1 in 80 organizations has a score
 * out of range, 1 in 20 invoices is a credit note, more than half have no credits, one
 * ticket in four is open, and satisfaction scores of 0, 6 and 7 occur.
 */
#ifndef GENERATE_MASTERS_H
#define GENERATE_MASTERS_H

static const char *flag(bool b)
{
    return b ? "True" : "False";
}

static void write_org(FILE *f, const generator *g, int64_t i, truth *t, bool next_delivery)
{
    static const char *const first[] = {"Nimbus", "Nova", "Gamma", "Alpha", "Zenith", "Orion"};
    static const char *const second[] = {"Labs", "Tech", "Data", "Cloud", "Systems"};
    static const char *const industries[] = {
        "Gaming",     "Education", "Manufacturing", "Retail", "Government",
        "Healthcare", "Fintech",   "E-commerce",    "Energy", "Media"};
    static const char *const tiers[] = {"free", "standard", "pro", "enterprise"};
    static const double tier_share[] = {0.10, 0.51, 0.26, 0.13};
    static const char *const stages[] = {"active", "at_risk", "prospect", "churned", "lead"};
    static const double stage_share[] = {0.675, 0.1375, 0.075, 0.075, 0.0375};
    static const char *const origins[] = {"event", "organic", "partner", "ads", "referral"};
    rng r = rng_of(g->opt.seed, RNG_ORG, (uint64_t)i);
    char date[16], nps[32] = "";
    const char *a = first[rng_below(&r, COUNT(first))];
    const char *b = second[rng_below(&r, COUNT(second))];
    const char *industry = industries[rng_below(&r, COUNT(industries))];
    const char *region = regions[rng_below(&r, COUNT(regions))];
    int tier = rng_pick(&r, tier_share, COUNT(tiers));
    bool enterprise = rng_chance(&r, 0.2);
    int64_t signup = MASTERS_DAY + rng_below(&r, 60);
    char rep = (char)('a' + rng_below(&r, 5));
    const char *stage = stages[rng_pick(&r, stage_share, COUNT(stages))];
    const char *origin = origins[rng_below(&r, COUNT(origins))];
    if (!rng_chance(&r, 0.1375)) {
        int64_t score = llround(rng_normal(&r, 17, 24));
        if (i % 80 == 41)
            score = 101; /* one in eighty is out of range */
        t->org_nps_invalid += score < -100 || score > 100 ? 1 : 0;
        fixed_text(nps, score * 10, 1);
    }
    if (next_delivery && i % 10 == 3)
        tier = tier == 3 ? 2 : tier + 1;
    fprintf(f, "%s,%s %s %" PRId64 ",%s,%s,%s,%s,%s,rep_%c,%s,%s,%s\n", g->org_ids[i], a, b, i,
            industry, region, tiers[tier], flag(enterprise), date_text(date, signup), rep, stage,
            origin, nps);
}

static const char org_header[] = "org_id,org_name,industry,hq_region,plan_tier,is_enterprise,"
                                 "signup_date,sales_rep,lifecycle_stage,marketing_source,"
                                 "nps_score\n";

static void write_orgs(generator *g)
{
    FILE *f = create_in(g->opt.out, "customers_orgs.csv");
    fputs(org_header, f);
    for (int64_t i = 0; i < g->orgs; i++)
        write_org(f, g, i, &g->truth, false);
    finish(f, "customers_orgs.csv");
    /* The next delivery: one in ten changes its plan, the last is gone, one is new. */
    truth unused = {0};
    f = create_in(g->opt.out, "truth/next_delivery/customers_orgs.csv");
    fputs(org_header, f);
    for (int64_t i = 0; i < g->orgs - 1; i++)
        write_org(f, g, i, &unused, true);
    fputs("org_newcomer,Newcomer Labs,Retail,us-east,pro,False,2025-08-30,rep_a,active,"
          "organic,12.0\n",
          f);
    finish(f, "next_delivery/customers_orgs.csv");
}

static void write_users(generator *g)
{
    static const char *const roles[] = {"data_engineer", "devops",      "developer",
                                        "analyst",       "ml_engineer", "admin"};
    static const double share[] = {0.25, 0.20, 0.165, 0.14, 0.13, 0.115};
    FILE *f = create_in(g->opt.out, "users.csv");
    fputs("user_id,org_id,email,role,active,created_at,last_login\n", f);
    for (int64_t i = 0; i < g->users; i++) {
        rng r = rng_of(g->opt.seed, RNG_USER, (uint64_t)i);
        char id[20], date[16], login[16] = "";
        make_id(id, "user_", MASTER_ID_CHARS, g->opt.seed, RNG_USER, (uint64_t)i);
        const char *org = g->org_ids[rng_below(&r, g->orgs)];
        const char *role = roles[rng_pick(&r, share, COUNT(roles))];
        bool active = rng_chance(&r, 0.91);
        int64_t created = MASTERS_DAY + rng_below(&r, 100);
        if (!rng_chance(&r, 0.17))
            date_text(login, created + 1 + rng_below(&r, LAST_DAY - created));
        fprintf(f, "%s,%s,%s@example.com,%s,%s,%s,%s\n", id, org, id, role, flag(active),
                date_text(date, created), login);
    }
    g->truth.users = g->users;
    finish(f, "users.csv");
}

static void write_tags(FILE *f, rng *r)
{
    uint64_t key = rng_next(r);
    int64_t n = rng_below(r, 3) + 1;
    if (rng_chance(r, 0.2075)) {
        fputc('\n', f);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        fprintf(f, "%s\"\"%s\"\"", i == 0 ? "\"[" : ", ",
                tags[permute(key, COUNT(tags), (uint64_t)i)]);
    fputs("]\"\n", f);
}

static void write_resources(generator *g)
{
    static const char *const states[] = {"running", "stopped", "terminated"};
    static const double share[] = {0.605, 0.2975, 0.0975};
    FILE *f = create_in(g->opt.out, "resources.csv");
    fputs("resource_id,org_id,service,region,created_at,state,tags_json\n", f);
    for (int64_t i = 0; i < g->resources; i++) {
        rng r = rng_of(g->opt.seed, RNG_RESOURCE, (uint64_t)i);
        char date[16];
        resource *res = &g->res[i];
        make_id(res->id, "res_", MASTER_ID_CHARS, g->opt.seed, RNG_RESOURCE, (uint64_t)i);
        res->org = (uint32_t)rng_below(&r, g->orgs);
        res->service = (uint8_t)rng_pick(&r, service_share, COUNT(services));
        res->region = (uint8_t)rng_below(&r, COUNT(regions));
        const char *state = states[rng_pick(&r, share, COUNT(states))];
        fprintf(f, "%s,%s,%s,%s,%s,%s,", res->id, g->org_ids[res->org], services[res->service],
                regions[res->region], date_text(date, MASTERS_DAY + rng_below(&r, 110)), state);
        write_tags(f, &r);
    }
    finish(f, "resources.csv");
}

static void write_tickets(generator *g)
{
    static const char *const kinds[] = {"integration", "billing",     "availability",
                                        "usability",   "performance", "security"};
    static const char *const severities[] = {"low", "medium", "high", "critical"};
    static const double share[] = {0.412, 0.328, 0.204, 0.056};
    FILE *f = create_in(g->opt.out, "support_tickets.csv");
    fputs("ticket_id,org_id,category,severity,created_at,resolved_at,csat,sla_breached\n", f);
    g->truth.tickets = g->orgs * 25 / 2;
    for (int64_t i = 0; i < g->truth.tickets; i++) {
        rng r = rng_of(g->opt.seed, RNG_TICKET, (uint64_t)i);
        char id[20], date[16], resolved[16] = "", csat[32] = "";
        make_id(id, "tkt_", MASTER_ID_CHARS, g->opt.seed, RNG_TICKET, (uint64_t)i);
        const char *org = g->org_ids[rng_below(&r, g->orgs)];
        const char *kind = kinds[rng_below(&r, COUNT(kinds))];
        const char *severity = severities[rng_pick(&r, share, COUNT(severities))];
        int64_t created = MASTERS_DAY + 5 + rng_below(&r, LAST_DAY - MASTERS_DAY - 4);
        if (rng_chance(&r, 0.24))
            g->truth.open_tickets++;
        else
            date_text(resolved, created + (int64_t)(-4.5 * log(1.0 - rng_unit(&r))));
        if (!rng_chance(&r, 0.254)) {
            int64_t score = llround(rng_normal(&r, 3.3, 1.2));
            score = score < 0 ? 0 : score;
            g->truth.csat_invalid += score < 1 || score > 5 ? 1 : 0;
            fixed_text(csat, score * 10, 1);
        }
        fprintf(f, "%s,%s,%s,%s,%s,%s,%s,%s\n", id, org, kind, severity, date_text(date, created),
                resolved, csat, flag(rng_chance(&r, 0.095)));
    }
    finish(f, "support_tickets.csv");
}

static void write_touches(generator *g)
{
    static const char *const campaigns[] = {"upgrade_enterprise", "webinar_finops",
                                            "genai_launch",       "welcome",
                                            "upgrade_pro",        "security_week"};
    static const char *const channels[] = {"event", "email", "ads", "in_app"};
    FILE *f = create_in(g->opt.out, "marketing_touches.csv");
    fputs("touch_id,org_id,campaign,channel,timestamp,clicked,converted\n", f);
    g->truth.touches = g->orgs * 75 / 4;
    for (int64_t i = 0; i < g->truth.touches; i++) {
        rng r = rng_of(g->opt.seed, RNG_TOUCH, (uint64_t)i);
        char id[20], date[16];
        make_id(id, "mkt_", MASTER_ID_CHARS, g->opt.seed, RNG_TOUCH, (uint64_t)i);
        const char *org = g->org_ids[rng_below(&r, g->orgs)];
        const char *campaign = campaigns[rng_below(&r, COUNT(campaigns))];
        const char *channel = channels[rng_below(&r, COUNT(channels))];
        int64_t day = MASTERS_DAY + rng_below(&r, LAST_DAY - MASTERS_DAY + 1);
        bool clicked = rng_chance(&r, 0.302), converted = rng_chance(&r, 0.096);
        fprintf(f, "%s,%s,%s,%s,%s,%s,%s\n", id, org, campaign, channel, date_text(date, day),
                flag(clicked), flag(converted));
    }
    finish(f, "marketing_touches.csv");
}

/* At most one answer per organization and day: the k-th of an organization in the k-th
 * thirty days. */
static void write_surveys(generator *g)
{
    static const char *const comments[] = {"Missing features", "Love genAI features",
                                           "Stable but slow",  "Complex billing",
                                           "Too expensive",    "Great support"};
    FILE *f = create_in(g->opt.out, "nps_surveys.csv");
    fputs("org_id,survey_date,nps_score,comment\n", f);
    for (int64_t i = 0; i < g->orgs; i++) {
        rng r = rng_of(g->opt.seed, RNG_NPS, (uint64_t)i);
        for (int64_t k = 0; k < 3; k++) {
            char date[16], nps[32] = "";
            int64_t day = MASTERS_DAY + 20 + 30 * k + rng_below(&r, 30);
            int64_t score = llround(rng_normal(&r, 25, 18));
            if (!rng_chance(&r, 0.383))
                continue;
            if (i % 40 == 17)
                score += 120;
            if (!rng_chance(&r, 0.2)) {
                g->truth.nps_invalid += score < -100 || score > 100 ? 1 : 0;
                fixed_text(nps, score * 10, 1);
            }
            g->truth.surveys++;
            const char *comment = rng_chance(&r, 0.11) ? "" : comments[rng_below(&r, 6)];
            fprintf(f, "%s,%s,%s,%s\n", g->org_ids[i], date_text(date, day), nps, comment);
        }
    }
    finish(f, "nps_surveys.csv");
}

static void write_invoices(generator *g)
{
    static const char *const currencies[] = {"USD", "ARS", "EUR"};
    static const double share[] = {0.667, 0.2125, 0.1205};
    static const int64_t months[] = {20240, 20270, 20301}; /* 2025-06-01, -07-01, -08-01 */
    FILE *f = create_in(g->opt.out, "billing_monthly.csv");
    fputs("invoice_id,org_id,month,subtotal,credits,taxes,currency,exchange_rate_to_usd\n", f);
    for (int64_t i = 0; i < g->orgs * 3; i++) {
        rng r = rng_of(g->opt.seed, RNG_BILL, (uint64_t)i);
        char id[20], date[16], subtotal[32], credits[32] = "", taxes[32], rate[32];
        make_id(id, "inv_", MASTER_ID_CHARS, g->opt.seed, RNG_BILL, (uint64_t)i);
        int64_t cents = llround(fabs(rng_normal(&r, 760, 420)) * 100) + 1000;
        int64_t tax = llround((double)cents * 0.21);
        if (rng_chance(&r, 0.054)) {
            cents = -cents;
            g->truth.credit_notes++;
        }
        if (rng_chance(&r, 0.571))
            g->truth.credits_null++;
        else
            fixed_text(credits, llround(-1700 * log(1.0 - rng_unit(&r))), 2);
        int currency = rng_pick(&r, share, 3);
        double mean = currency == 0 ? 1.0 : currency == 1 ? 0.0015 : 1.1;
        int64_t fx = llround(rng_normal(&r, mean, mean * 0.05) * 100000);
        fprintf(f, "%s,%s,%s,%s,%s,%s,%s,%s\n", id, g->org_ids[i / 3],
                date_text(date, months[i % 3]), fixed_text(subtotal, cents, 2), credits,
                fixed_text(taxes, tax, 2), currencies[currency], fixed_text(rate, fx, 5));
    }
    g->truth.invoices = g->orgs * 3;
    finish(f, "billing_monthly.csv");
}

#endif
