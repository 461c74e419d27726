-- One process uses this file alone and shares its budgets with nobody.
DROP TABLE portal_budgets;
