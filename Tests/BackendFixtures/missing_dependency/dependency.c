/* The library that will be missing. */
extern int acme_connect(void);

int acme_connect(void) {
    return 1;
}
