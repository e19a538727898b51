"""Example texts in the style of abstracts, written for this demo; patients, doses and findings are invented."""

from __future__ import annotations

EXAMPLES: dict[str, str] = {
    "Case report": (
        "Reversible parkinsonism during treatment with cinnarizine. A 71-year-old woman was given cinnarizine for "
        "vertigo after a mild stroke. Four months later she walked slowly, her left hand trembled at rest, and her "
        "face showed little movement. Parkinson's disease was suspected and levodopa was started, without benefit. "
        "When her medicines were reviewed, cinnarizine was withdrawn and levodopa was tapered off. Rigidity and "
        "tremor had faded within ten weeks, and she was free of symptoms at her last visit. Older patients who take "
        "calcium channel blockers of this kind should be asked about falls and slowness, since drug-induced "
        "parkinsonism may otherwise be taken for a neurodegenerative disorder."
    ),
    "Randomised trial": (
        "Low-dose spironolactone for resistant hypertension: a randomised crossover study. We enrolled 48 adults "
        "whose blood pressure stayed above target on amlodipine, ramipril and chlorthalidone. Each of them received "
        "spironolactone 25 mg, doxazosin 4 mg and placebo for eight weeks, in random order, with washout periods of "
        "two weeks between them. Home systolic pressure fell by 9.1 mmHg on spironolactone and by 4.4 mmHg on "
        "doxazosin. Hyperkalaemia led to withdrawal of three participants, two of whom had diabetic nephropathy. "
        "Gynaecomastia occurred in two men and resolved after they changed to eplerenone. Headache and dizziness "
        "were equally common in all periods. We conclude that spironolactone is an effective fourth drug, provided "
        "that potassium and creatinine are measured regularly."
    ),
    "Animal study": (
        "Curcumin attenuates cisplatin-induced nephrotoxicity in rats. Cisplatin is widely used against solid tumours "
        "but damages the proximal tubule. Thirty-two male Wistar rats were assigned to saline, cisplatin, curcumin, or "
        "both. Five days after a single injection of cisplatin, serum creatinine and urea had tripled, and histology "
        "showed tubular necrosis. Pretreatment with curcumin kept creatinine near control levels, restored "
        "glutathione in the renal cortex, and lowered malondialdehyde. Body weight and food intake did not differ "
        "between the groups that received cisplatin. These findings suggest that oxidative stress contributes to "
        "kidney injury, and that an antioxidant given beforehand may limit it."
    ),
    "Symbols and scripts": (
        "Effect of α-tocopherol and β-carotene on doxorubicin cardiotoxicity – a short note. "
        "Ημερήσια δόση: 400 IU of α-tocopherol (≥ 6 weeks; Δ weight < 5 %). Twenty-one patients with breast cancer "
        "received doxorubicin at 60 mg/m² every three weeks; 11 of them also took α-tocopherol. The ejection fraction "
        "fell by 3.2 ± 1.1 % vs. 8.9 ± 2.4 % (p < 0.05) 📉. One patient, 山田さん (name changed), developed heart "
        "failure; another wrote of nausea and alopecia in her diary: «тошнота» 🤢. 5-Fluorouracil and N-acetyl-L-"
        "cysteine were not allowed. Levels of TNF-α and Ca²⁺ stayed unchanged → no sign of inflammation was seen. "
        "<b>Limits</b>: small numbers & no blinding; the symbols above are kept on purpose 🧪."
    ),
    "Few entities": (
        "How residents learn to review prescriptions: an interview study. Safe prescribing is taught in lectures, yet "
        "most of it is learned on the ward. We spoke with 26 residents of four teaching hospitals about a recent "
        "decision that they had found difficult. Interviews were recorded, transcribed and coded by two readers "
        "independently, and disagreements were settled by discussion. Three themes came up. First, residents relied "
        "on pharmacists more than on printed guidance. Second, time pressure at the end of a shift shaped what was "
        "checked and what was left for the next team. Third, feedback came late or not at all. One resident described "
        "an overdose of digoxin that had been noticed by a nurse. Teaching hospitals could protect time for joint "
        "review, and could make sure that those who prescribe hear what became of their patients."
    ),
    "Long text": (
        "Adverse drug reactions leading to admission in older adults: a prospective survey of two general hospitals. "
        "Background: Adverse drug reactions are a common and often preventable reason for admission of older people. "
        "Methods: During twelve months all unplanned admissions of patients aged 70 years or more were screened by a "
        "clinical pharmacist and a physician. Causality was judged by consensus, and preventability with a published "
        "scale. Results: Of 2,310 admissions, 214 were judged to be caused by a drug. Anticoagulants came first: "
        "warfarin accounted for 31 cases of gastrointestinal haemorrhage and nine of intracranial haemorrhage, and "
        "apixaban for twelve cases of anaemia. Diuretics came second; furosemide and hydrochlorothiazide caused "
        "dehydration, hyponatraemia and acute kidney injury, most often during a spell of hot weather. Hypoglycaemia "
        "was seen in 22 patients who took glibenclamide or insulin, five of whom had been found unconscious. Digoxin "
        "toxicity with nausea and bradycardia was noted in eight patients, all with impaired renal function, and "
        "lithium intoxication in two. Non-steroidal anti-inflammatory drugs, above all diclofenac and ibuprofen bought "
        "without a prescription, were behind 19 peptic ulcers and worsened heart failure in eleven patients. Falls and "
        "hip fracture were linked with zolpidem, diazepam and amitriptyline. Rash, angioedema due to enalapril, and "
        "hepatotoxicity of amoxicillin-clavulanate made up most of the rest. Nine patients died, six of them of "
        "bleeding. More than half of the reactions were thought to be preventable, chiefly by monitoring renal "
        "function, potassium and the international normalised ratio, by lower starting doses, and by stopping drugs "
        "whose reason was no longer known. Neither the number of drugs nor living alone predicted severity once age "
        "and kidney function had been taken into account. Conclusion: A small group of well-known drugs causes most "
        "of the harm. Review at discharge, and one call to the patient two weeks later, would be a sensible next step "
        "and should be tested in a trial."
    ),
}
